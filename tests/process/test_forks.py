"""Forked children behave as they do without a supervisor, and share nothing with it."""

from __future__ import annotations

import os
import signal
from typing import Any

import psutil
import pytest

from tests.process.harness import Child, Server
from tests.process.pairs import Case, all_pairs, grid
from tests.process.started_children import METHODS
from tests.seeds import seed
from tests.unit.signals.guards import guards_of

pytestmark = [pytest.mark.process]

_SETTINGS = {
    "host": ("block", "guard", "run", "stopping block", "stopping run"),
    "where": ("main", "thread"),
    "loop": ("asyncio", "uvloop"),
}
_SEED = seed("GRID_SEED")
_PATIENCE = 15.0

_without_us: dict[tuple[str, str], dict[str, Any]] = {}


@pytest.mark.parametrize("case", all_pairs(_SETTINGS, _SEED), ids=lambda c: "-".join(c.values()))
def test_a_child_is_as_without_us(server: Server, case: Case) -> None:
    """A child has handlers, wakeup fd, mask and files as without us; a signal ends only it."""
    print(f"GRID_SEED={_SEED} repeats this sample")
    _check(server, case)


@pytest.mark.soak
@pytest.mark.parametrize("case", grid(_SETTINGS), ids=lambda c: "-".join(c.values()))
def test_each_child_is_as_without_us(server: Server, case: Case) -> None:
    """The same holds in each host, in each thread and on each loop."""
    _check(server, case)


@pytest.mark.parametrize("in_thread", [False, True], ids=["in the loop", "in a thread"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_no_signal_is_lost_to_a_child(server: Server, loop: str, in_thread: bool) -> None:
    """A child that is forked when a signal arrives leaves that signal to the parent."""
    for number in (signal.SIGINT, signal.SIGTERM) * 3:
        with server.start("forking", loop=loop, in_thread=in_thread) as it:
            it.until("busy")
            it.signal(number)
            assert it.wait() == -number, it.story()


def _check(server: Server, case: Case) -> None:
    where = case["where"], case["loop"]
    if where not in _without_us:
        _without_us[where] = _children(server, "itself", *where)
    found = _children(server, case["host"], *where)
    for how in METHODS:
        assert found[how] == _without_us[where][how], how


def _children(server: Server, host: str, where: str, loop: str) -> dict[str, Any]:
    """Return what each child of this host has reported."""
    stopping, _, host = host.rpartition(" ")
    arguments = {"in_thread": where == "thread", "is_stopping": bool(stopping)}
    stdin, ours = os.pipe()
    with (
        os.fdopen(stdin),
        os.fdopen(ours) as looked,
        server.start("forks", stdin=stdin, host=host, loop=loop, **arguments) as it,
    ):
        _check_that_no_guard_is_left(it, it.until("left")["pid"])
        looked.close()
        assert it.wait() == 0, it.story()
        ends = it.facts("child") + it.facts("ended")
        assert [end["status"] for end in ends] == [-signal.SIGTERM] * 5, it.story()
        assert not it.facts("parent")[0]["climbed"], it.story()
        return {told["how"]: told["state"] for told in it.facts("child")}


def _check_that_no_guard_is_left(it: Child, child: int) -> None:
    """Check that the child lives, and holds nothing that keeps its parent's guard alive."""
    _, left = psutil.wait_procs([*guards_of(it.pid), *guards_of(child)], timeout=_PATIENCE)
    assert not left, f"{left}\n{it.story()}"
    assert psutil.pid_exists(child), it.story()
