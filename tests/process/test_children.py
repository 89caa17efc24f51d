"""A stop and the processes that a program's runs have started."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import time
from collections.abc import Generator, Iterable
from typing import Any

import psutil
import pytest

from supervisor import Rung
from tests.process.families import OBEYS, PARENTS, REFUSES
from tests.process.harness import MARGIN, Child, Server, alive
from tests.process.scenarios import LADDER

pytestmark = [pytest.mark.process]

on_each_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])

_FORCED = 137
_FOREVER = 1_000_000


@on_each_loop
@pytest.mark.parametrize("script", [OBEYS, REFUSES], ids=["obeys", "refuses"])
def test_children_are_ended_at_abandon(server: Server, loop: str, script: str) -> None:
    """Children get SIGTERM and then SIGKILL before the block ends; the stop is still in order."""
    with _family(server, "family", loop=loop, script=script, cancels=2) as (child, pids):
        began = child.signal(signal.SIGINT)
        assert child.wait() == -signal.SIGINT, child.story()
        assert time.monotonic() - began < LADDER.budget(Rung.CANCEL) + MARGIN
        assert not alive(pids)
        assert "ending the process" not in child.stderr
        assert ("killed" in child.stderr) == (script is REFUSES)


@on_each_loop
@pytest.mark.parametrize("cancels", [2, _FOREVER], ids=["in order", "forced"])
def test_a_tree_of_fifty_of_which_half_refuse(server: Server, loop: str, cancels: int) -> None:
    """All fifty are gone with the program, in its time, and none is left as a zombie."""
    with _family(server, "tree", loop=loop, cancels=cancels) as (child, pids):
        assert len(pids) == 50, child.story()
        began = child.signal(signal.SIGINT)
        assert child.wait() == (_FORCED if cancels == _FOREVER else -signal.SIGINT), child.story()
        assert time.monotonic() - began < LADDER.budget(Rung.CANCEL) + MARGIN
        assert not alive(pids)
        if cancels != _FOREVER:
            assert [left["pids"] for left in child.facts("left")] == [[]], child.story()
        _check_that_they_are_reaped(pids)


@on_each_loop
def test_children_are_killed_before_a_forced_end(server: Server, loop: str) -> None:
    """The third signal that counts kills the children at once, without waiting for any seconds."""
    arguments = {"script": REFUSES, "cancels": _FOREVER, "children": 3}
    with _family(server, "family", loop=loop, **arguments) as (child, pids):
        began = child.signal(signal.SIGINT)
        child.signal(signal.SIGINT)
        _signal_at(child, began + 0.35, signal.SIGINT)
        _signal_at(child, began + 0.70, signal.SIGINT)
        assert child.wait() == _FORCED, child.story()
        assert time.monotonic() - began < 0.70 + MARGIN
        assert not alive(pids)


@on_each_loop
def test_children_are_killed_while_the_loop_computes(server: Server, loop: str) -> None:
    """The watchdog kills them while Python code computes and waits for nothing."""
    with _family(server, "blocked_family", loop=loop, script=REFUSES) as (child, pids):
        began = child.signal(signal.SIGINT)
        assert child.wait() == _FORCED, child.story()
        assert time.monotonic() - began < LADDER.budget(Rung.CANCEL) + MARGIN
        assert not alive(pids)


@on_each_loop
@pytest.mark.parametrize("parent", PARENTS)
def test_a_child_that_dies_of_the_same_ctrl_c_makes_no_error(
    server: Server, loop: str, parent: str
) -> None:
    """A terminal sends Ctrl-C to the whole group; the program's end is still a stop."""
    ours, theirs = pty.openpty()
    try:
        with server.start("shares_signal", loop=loop, parent=parent, stdin=theirs) as child:
            child.until("busy")
            os.write(ours, b"\x03")
            assert child.wait() == -signal.SIGINT, child.story()
            (result,) = child.facts("result") or pytest.fail(child.story())
            assert result["reason"] == "Stopped by SIGINT", child.story()
            _check_silence(child)
    finally:
        os.close(ours)
        os.close(theirs)


@on_each_loop
@pytest.mark.parametrize("parent", PARENTS)
def test_a_child_that_dies_of_the_same_sigterm_makes_no_error(
    server: Server, loop: str, parent: str
) -> None:
    """The same holds for SIGTERM as systemd sends it, to every process of a service."""
    with server.start("shares_signal", loop=loop, parent=parent) as child:
        child.until("busy")
        os.killpg(child.pid, signal.SIGTERM)
        assert child.wait() == -signal.SIGTERM, child.story()
        (result,) = child.facts("result") or pytest.fail(child.story())
        assert result["reason"] == "Stopped by SIGTERM", child.story()
        _check_silence(child)


_HOLDS_THE_PIPES = """
(trap '' TERM; exec sleep 300) &
echo $$ $! end > ready.part; mv ready.part ready
wait
"""


@on_each_loop
def test_a_code_executors_grandchild_that_holds_the_pipes(server: Server, loop: str) -> None:
    """The run settles within CANCEL, and the grandchild is not left behind."""
    with _family(server, "executes", loop=loop, script=_HOLDS_THE_PIPES) as (child, pids):
        began = child.signal(signal.SIGINT)
        assert child.wait() == -signal.SIGINT, child.story()
        (settled,) = child.facts("settled")
        assert settled["at"] - began < LADDER.cancel + 0.1, child.story()
        assert not alive(pids), child.story()


@on_each_loop
def test_a_guest_ends_what_a_code_executor_has_started(server: Server, loop: str) -> None:
    """A guest has ended them when the run has settled, and leaves the process itself alone."""
    arguments = {"script": _HOLDS_THE_PIPES, "as_guest": True}
    with _family(server, "executes", loop=loop, **arguments) as (child, pids):
        began = child.signal(signal.SIGINT)
        settled = child.until("settled")
        assert not alive(pids), child.story()
        assert settled["at"] - began < LADDER.cancel + 0.1, child.story()
        assert not child.has_ended(within=0.05)


@on_each_loop
def test_a_guest_ends_a_tool_server_at_abandon(server: Server, loop: str) -> None:
    """At ABANDON it ends a server that neither the end of its input nor SIGTERM ends."""
    with _family(server, "keeps_a_server", loop=loop) as (child, pids):
        began = child.signal(signal.SIGINT)
        settled = child.until("settled")
        assert not alive(pids), child.story()
        assert settled["at"] - began < LADDER.budget(Rung.CANCEL) + 0.3, child.story()
        assert not child.has_ended(within=0.05)


@contextlib.contextmanager
def _family(server: Server, program: str, **arguments: Any) -> Generator[tuple[Child, list[int]]]:
    with server.start(program, **arguments) as child:
        pids = [int(pid) for pid in child.until("children")["pids"]]
        if program != "executes":
            child.until("busy")
        try:
            yield child, pids
        finally:
            for pid in alive(pids):
                os.kill(pid, signal.SIGKILL)


def _check_that_they_are_reaped(pids: Iterable[int]) -> None:
    """Check that their new parent has reaped them; reused pids do not count."""
    deadline = time.monotonic() + 5
    while zombies := [pid for pid in pids if psutil.pid_exists(pid) and not alive([pid])]:
        assert time.monotonic() < deadline, f"zombies: {zombies}"
        time.sleep(0.05)


def _check_silence(child: Child) -> None:
    assert "Traceback" not in child.stderr, child.story()
    assert "Error processing" not in child.stderr, child.story()


def _signal_at(child: Child, at: float, number: int) -> None:
    time.sleep(max(0.0, at - time.monotonic()))
    child.signal(number)
