"""How a program ends under `supervisor.run`: with its status, and without delay."""

from __future__ import annotations

import os
import signal
import time

import pytest

from supervisor import Rung
from tests.process.harness import Server
from tests.process.scenarios import LADDER

pytestmark = [pytest.mark.process]

on_each_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])

_FORCED = 137


@on_each_loop
@pytest.mark.parametrize(
    ("how", "status", "returns"),
    [("returns", 0, True), ("raises", 1, False), ("exits", 7, False), ("stops", 0, True)],
)
def test_the_status_of_an_end_without_a_signal(
    server: Server, loop: str, how: str, status: int, returns: bool
) -> None:
    """The status is 0 at a normal end and after `sup.stop()`, 1 for an exception, else the code."""
    with server.start("ends", loop=loop, how=how) as child:
        assert child.wait() == status, child.story()
        assert bool(child.facts("returned")) == returns
        assert child.facts("atexit")
        assert ("main has failed" in child.stderr) == (how == "raises")


@on_each_loop
def test_a_run_that_was_given_up_does_not_keep_the_program(server: Server, loop: str) -> None:
    """The loop's end waits for its task no longer than the rungs of a stop last."""
    with server.start("leaves_a_quarantined_team", loop=loop) as child:
        assert child.wait() == _FORCED, child.story()
        assert "The main coroutine has ended; something refused to stop" in child.stderr


@on_each_loop
def test_stop_status_replaces_death_by_the_signal(server: Server, loop: str) -> None:
    """With `stop_status` a stopped program exits with that code instead of dying by the signal."""
    with server.start("ends", loop=loop, how="signal", stop_status=3) as child:
        child.until("busy")
        child.signal(signal.SIGTERM)
        assert child.wait() == 3, child.story()
        assert child.facts("atexit")
        assert child.stderr == ""


@on_each_loop
def test_death_by_the_signal_comes_after_atexit(server: Server, loop: str) -> None:
    """The interpreter finishes its own end, and then the signal kills."""
    with server.start("ends", loop=loop, how="signal") as child:
        child.until("busy")
        child.signal(signal.SIGINT)
        assert child.wait() == -signal.SIGINT, child.story()
        assert child.facts("atexit")
        assert not child.facts("returned")


@on_each_loop
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_loop_exists_is_kept(server: Server, loop: str, number: int) -> None:
    """No team runs, and the process dies by the signal."""
    reader, writer = os.pipe()
    try:
        with server.start("before_the_loop", loop=loop, stdin=reader) as child:
            child.until("making")
            child.signal(number)
            assert not child.has_ended(within=0.05), child.story()
            os.write(writer, b"go")
            assert child.wait() == -number, child.story()
            assert not child.facts("never") + child.facts("busy"), child.story()
            assert child.stderr == ""
    finally:
        os.close(reader)
        os.close(writer)


@on_each_loop
@pytest.mark.parametrize("stop_status", [None, 3])
def test_a_thread_that_lingers_is_bounded_after_a_stop(
    server: Server, loop: str, stop_status: int | None
) -> None:
    """The deadline also bounds a thread for which the interpreter waits at its end."""
    with server.start("ends", loop=loop, how="thread", stop_status=stop_status) as child:
        child.until("busy")
        began = child.signal(signal.SIGINT)
        assert child.wait() == _FORCED, child.story()
        assert time.monotonic() - began < LADDER.budget(Rung.CANCEL) + 1.2
        assert child.facts("result"), child.story()
        assert "Traceback" not in child.stderr
        assert "lingerer" in child.stderr


@on_each_loop
def test_the_deadline_of_a_stop_by_code_bounds_the_end_as_well(server: Server, loop: str) -> None:
    """After a stop by code under `run`, a lingering thread is named, and the status is 137."""
    with server.start("ends", loop=loop, how="thread and stop") as child:
        assert child.wait() == _FORCED, child.story()
        assert child.facts("returned"), child.story()
        assert "lingerer" in child.stderr


@on_each_loop
@pytest.mark.parametrize("how", ["thread", "executor", "atexit"])
def test_behind_a_block_the_deadline_holds_for_the_interpreters_end(
    server: Server, loop: str, how: str
) -> None:
    """After a signal has stopped the block, what delays the end is named, and the status is 137."""
    with server.start("ends_behind", loop=loop, how=how) as child:
        child.until("busy")
        child.signal(signal.SIGINT)
        child.until("behind")
        assert child.wait() == _FORCED, child.story()
        assert "Stopped by SIGINT; something refused to stop" in child.stderr
        assert "lingerer" in child.stderr or how == "atexit"


@on_each_loop
def test_behind_a_block_code_of_the_users_takes_its_time(server: Server, loop: str) -> None:
    """The user's code goes on past the deadline, and ends with its own status."""
    with server.start("ends_behind", loop=loop, how="own code") as child:
        child.until("busy")
        child.signal(signal.SIGINT)
        assert child.wait() == 128 + signal.SIGINT, child.story()


@on_each_loop
def test_a_blocked_loop_is_ended_with_a_report_that_names_what_blocks(
    server: Server, loop: str
) -> None:
    """A blocked loop is ended at the deadline with status 137 and the stack of every thread."""
    with server.start("blocked", loop=loop, fill=False) as child:
        child.until("busy")
        began = child.signal(signal.SIGTERM)
        assert child.wait() == _FORCED, child.story()
        seconds = time.monotonic() - began
        assert LADDER.budget(Rung.DRAIN) <= seconds < LADDER.budget(Rung.DRAIN) + 1, child.story()
        assert "keep_the_loop" in child.stderr, child.story()


@on_each_loop
def test_a_full_pipe_on_stderr_does_not_delay_the_end(server: Server, loop: str) -> None:
    """The report is given up after 0.2 s."""
    unread, full = os.pipe()
    try:
        with server.start("blocked", loop=loop, fill=True, stderr=full) as child:
            child.until("busy")
            began = child.signal(signal.SIGTERM)
            assert child.wait() == _FORCED, child.story()
            assert time.monotonic() - began < LADDER.budget(Rung.DRAIN) + 1, child.story()
    finally:
        os.close(unread)
        os.close(full)
