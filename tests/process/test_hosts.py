"""Each kind of host can be stopped, and is left as found by its supervisors."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Generator

import pytest

from supervisor import Rung
from tests.process.harness import MARGIN, Child, Server
from tests.process.scenarios import LADDER

pytestmark = [pytest.mark.process]

on_each_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])

_FORCED = 137
_COUNT = 500


@on_each_loop
@pytest.mark.parametrize(
    ("how", "number"), [("sleeps", signal.SIGTERM), ("computes", signal.SIGINT)]
)
def test_a_main_that_blocks_before_its_first_await(
    server: Server, loop: str, how: str, number: signal.Signals
) -> None:
    """A blocking `main` is interrupted at ABANDON, and the program goes on after `run`."""
    with server.start("blocks_first", loop=loop, how=how) as child:
        child.until("busy")
        began = child.signal(number)
        assert child.until("stopped")["was"], child.story()
        entry = Rung.CANCEL if number == signal.SIGINT else Rung.DRAIN
        assert time.monotonic() - began < LADDER.budget(entry) + MARGIN, child.story()
        _check_as_found(child)
        assert not child.facts("never"), child.story()


@on_each_loop
def test_work_before_run_is_not_ours(server: Server, loop: str) -> None:
    """Before `run` a signal does what it does without us."""
    with _stdin() as (stdin, _), server.start("works_first", loop=loop, stdin=stdin) as child:
        child.until("working")
        child.signal(signal.SIGTERM)
        assert child.wait() == -signal.SIGTERM, child.story()


@on_each_loop
def test_run_behind_synchronous_work(server: Server, loop: str) -> None:
    """`run` after synchronous work stops as elsewhere, and restores the host's handler."""
    with _stdin() as (stdin, go), server.start("works_first", loop=loop, stdin=stdin) as child:
        child.until("working")
        os.close(go)
        child.until("busy")
        child.signal(signal.SIGTERM)
        assert child.until("stopped")["was"], child.story()
        _check_as_found(child)
        assert child.facts("hup"), child.story()


@on_each_loop
def test_one_in_another_stops_with_it(server: Server, loop: str) -> None:
    """A nested supervisor stops with the outer one; nothing starts after the stop."""
    with server.start("nests", loop=loop, refuses=False) as child:
        child.until("busy")
        child.signal(signal.SIGINT)
        assert child.until("inner left")["outer"] == "CANCEL", child.story()
        _check_as_found(child)
        assert child.facts("result")[0]["reason"] == "Stopped by SIGINT", child.story()
        assert not child.facts("never"), child.story()


@on_each_loop
def test_the_outer_ones_deadline_holds_for_both(server: Server, loop: str) -> None:
    """The outer supervisor's deadline also holds for the inner one."""
    with server.start("nests", loop=loop, refuses=True) as child:
        child.until("busy")
        began = child.signal(signal.SIGTERM)
        assert child.wait() == _FORCED, child.story()
        assert time.monotonic() - began < LADDER.budget(Rung.DRAIN) + MARGIN, child.story()


@on_each_loop
def test_a_guest_beside_one_of_the_main_thread_stops_with_it(server: Server, loop: str) -> None:
    """The process's signal stops a guest's run, although the guest installs nothing."""
    with server.start("guest", loop=loop, beside=True) as child:
        child.until("busy", "open")
        child.until("busy", "open")
        child.signal(signal.SIGINT)
        _check_as_found(child)
        assert child.facts("result")[0]["reason"] == "Stopped by SIGINT", child.story()
        assert child.facts("guest left")[0]["reason"] == "Stopped by SIGINT", child.story()


@on_each_loop
@pytest.mark.parametrize("number", [None, signal.SIGTERM])
def test_a_guest_that_is_alone_changes_nothing(
    server: Server, loop: str, number: signal.Signals | None
) -> None:
    """A guest that is alone handles no signal; the host stops it by code, from another thread."""
    with (
        _stdin() as (stdin, go),
        server.start("guest", loop=loop, beside=False, stdin=stdin) as child,
    ):
        child.until("busy", "beside")
        child.until("busy", "beside")
        assert child.facts("beside")[0]["changed"] == [], child.story()
        if number is not None:
            child.signal(number)
            assert child.wait() == -number, child.story()
            return
        os.close(go)
        _check_as_found(child)
        assert child.facts("guest left")[0]["reason"] == "The host asks", child.story()


@on_each_loop
@pytest.mark.parametrize("how", ["run", "block"])
@pytest.mark.parametrize("first", ["ended", "stopped"])
def test_a_second_loop_in_one_process(server: Server, loop: str, how: str, first: str) -> None:
    """The second loop of a process handles its signal, whether the first got one or not."""
    with server.start("twice", loop=loop, how=how, first=first) as child:
        if first == "stopped":
            child.until("busy")
            child.signal(signal.SIGTERM)
        assert child.until("closed")["changed"] == [], child.story()
        child.until("busy")
        child.signal(signal.SIGTERM)
        assert child.until("ends")["stopped"] == [first == "stopped", True], child.story()
        assert [fact["changed"] for fact in child.facts("closed")] == [[], []], child.story()
        assert {fact["reason"] for fact in child.facts("result")} == {"Stopped by SIGTERM"}
        assert child.wait() == 0, child.story()


@on_each_loop
def test_a_test_runner_with_five_hundred_supervisors(server: Server, loop: str) -> None:
    """Nothing grows with the number of supervisors: files, threads, handlers, objects, memory."""
    with server.start("test_runner", loop=loop, count=_COUNT) as child:
        assert child.until("tested", seconds=45)["status"] == 0, child.story()
        _check_as_found(child)
        early, *_, late = child.facts("many")
        assert late["number"] == _COUNT - 1
        assert late["ours"] <= early["ours"], child.story()
        assert late["memory"] - early["memory"] < 8 * 2**20, child.story()


@on_each_loop
def test_a_fork_server_that_holds_supervisors_now_and_then(server: Server, loop: str) -> None:
    """Each child of a fork server ends by its own stop, with its true status."""
    with server.start("fork_server", loop=loop, count=3) as child:
        _check_as_found(child)
        ends = {(end["how"], end["status"]) for end in child.facts("child")}
        assert ends == {("run", -signal.SIGTERM), ("block", 128 + signal.SIGTERM)}, child.story()
        assert len(child.facts("child")) == 15
        assert {fact["rung"] for fact in child.facts("parent")} == {"RUNNING"}, child.story()


def _check_as_found(child: Child) -> None:
    assert child.until("closed")["changed"] == [], child.story()
    assert child.wait() == 0, child.story()
    assert "Traceback" not in child.stderr, child.story()


@contextlib.contextmanager
def _stdin() -> Generator[tuple[int, int]]:
    """Return a stdin, and the end to close so that the program goes on."""
    stdin, go = os.pipe()
    try:
        yield stdin, go
    finally:
        os.close(stdin)
        with contextlib.suppress(OSError):  # closed already
            os.close(go)
