"""Signals arrive through any thread, beside other handlers, and by the thousand."""

from __future__ import annotations

import signal
import time

import pytest

from supervisor import Rung
from tests.process.harness import Server
from tests.process.scenarios import LADDER

pytestmark = [pytest.mark.process]

on_each_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])

_FORCED = 137
_PROMPT = 0.5  # seconds; a wake-up that was missed comes after half a minute here


@on_each_loop
@pytest.mark.parametrize("foreign", ["none", "added", "removed"])
def test_a_signal_to_another_thread_wakes_a_quiet_loop(
    server: Server, loop: str, foreign: str
) -> None:
    """The loop stops at once, even if others use the loop's signal handlers."""
    with server.start("to_another_thread", loop=loop, foreign=foreign) as child:
        left = child.until("left")
        (sent,) = child.facts("sent")
        assert left["at"] - sent["at"] < _PROMPT, child.story()


@on_each_loop
def test_a_foreign_signal_handler_works_before_in_and_behind_the_block(
    server: Server, loop: str
) -> None:
    """Somebody else's `add_signal_handler` works all the time, and so do our signals."""
    with server.start("foreign_handler", loop=loop) as child:
        child.until("ready")
        child.signal(signal.SIGTERM)
        child.until("left")
        heard = [fact["where"] for fact in child.facts("heard")]
        assert heard == ["before", "in", "anew", "behind", "again"]
        assert child.wait() == 0, child.story()


@on_each_loop
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ten_thousand_signals_end_the_process_within_the_ladder(
    server: Server, loop: str, number: int
) -> None:
    """Under ten thousand signals it dies by the signal or at the deadline, without a traceback."""
    with server.start("storm", loop=loop) as child:
        child.until("busy")
        began = child.signal(number, count=10_000)
        status = child.wait()
        assert status in (-number, _FORCED), child.story()
        assert time.monotonic() - began < LADDER.budget(Rung.DRAIN) + 2, child.story()
        assert "Traceback" not in child.stderr, child.story()


@on_each_loop
def test_a_second_signal_while_a_large_token_is_being_cancelled(server: Server, loop: str) -> None:
    """The token is cancelled completely, no lock is waited for, and the status is true."""
    with server.start("linked_futures", loop=loop, count=300_000) as child:
        child.until("busy", seconds=40)
        child.signal(signal.SIGINT)
        child.until("cancelling")
        child.signal(signal.SIGTERM)
        done = child.until("done")
        assert done["cancelled"] == 300_000, child.story()
        assert child.wait() == -signal.SIGINT, child.story()
        assert "Traceback" not in child.stderr, child.story()


@on_each_loop
def test_one_signal_stops_a_thousand_runs(server: Server, loop: str) -> None:
    """Each of a thousand runs has its result, and the process is not ended by force."""
    with server.start("many", loop=loop, count=1_000) as child:
        child.until("busy", seconds=40)
        child.signal(signal.SIGINT)
        assert child.until("results", seconds=20)["reasons"] == {"Stopped by SIGINT": 1_000}
        assert child.wait() == -signal.SIGINT, child.story()
        assert child.stderr == ""


@on_each_loop
def test_a_supervisor_spans_two_runs_of_its_loop(server: Server, loop: str) -> None:
    """Signals are handled even if the loop has stopped and runs again."""
    with server.start("spans_two_runs", loop=loop) as child:
        child.until("ready")
        child.signal(signal.SIGTERM)
        assert child.until("stopped")["reason"] == "Stopped by SIGTERM"
        assert child.wait() == 128 + signal.SIGTERM, child.story()
        assert child.stderr == ""


@on_each_loop
def test_what_was_ignored_at_the_start_stays_ignored(server: Server, loop: str) -> None:
    """As under nohup, and behind `&` in a shell script."""
    with server.start("nohup", loop=loop) as child:
        child.until("busy")
        child.signal(signal.SIGHUP)
        child.signal(signal.SIGINT)
        child.signal(signal.SIGTERM)
        assert child.wait() == -signal.SIGTERM, child.story()
        assert [fact["ignored"] for fact in child.facts("handler")] == [True, True]
        assert child.facts("result")[0]["reason"] == "Stopped by SIGTERM"


@on_each_loop
def test_a_child_forked_in_the_block_has_default_handlers(server: Server, loop: str) -> None:
    """A signal to the child ends the child, and does not stop the parent."""
    with server.start("forks_in_the_block", loop=loop) as child:
        ended = child.until("child ended")
        assert ended["parent"] == "RUNNING", child.story()
        assert ended["status"] == -signal.SIGTERM, child.story()
        assert child.wait() == 0, child.story()
