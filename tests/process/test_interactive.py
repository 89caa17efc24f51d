"""Interactive programs under real SIGINTs: what runs ends, and the program goes on."""

from __future__ import annotations

import signal
import time

import pytest

from tests.process.harness import MARGIN, Child, Server

pytestmark = [pytest.mark.process]

on_each_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


def _interrupted(child: Child, fact: str = "result") -> float:
    """Send SIGINT, and return the seconds until a fact."""
    at = child.signal(signal.SIGINT)
    child.until(fact)
    return time.monotonic() - at


def _pause() -> None:
    """Wait as long as two SIGINTs have to be apart, so as not to be one press."""
    at = time.monotonic()
    while time.monotonic() - at < 0.06:
        time.sleep(0.01)


@on_each_loop
def test_fifty_interrupts_in_a_row(server: Server, loop: str) -> None:
    """Each ends the answer, and no more; the team has each task once, and each call its result."""
    with server.start("conversation", loop=loop, count=50) as child:
        for _ in range(50):
            child.until("busy")
            assert _interrupted(child) < 1 + MARGIN
        child.until("asked")
        assert child.wait() == 0
        *stopped, last = child.facts("result")
        assert {(it["reason"], it["rung"], it["is_stopped"]) for it in stopped} == {
            ("Stopped by SIGINT", "RUNNING", False)
        }
        assert last["reason"] != "Stopped by SIGINT"
        assert child.facts("asked")[0]["words"] == [*(f"go {n}" for n in range(50)), "bye"]


@on_each_loop
@pytest.mark.parametrize("count", [1, 2])
def test_a_tool_that_blocks_the_loop_is_interrupted(server: Server, loop: str, count: int) -> None:
    """By one SIGINT after half a second, and by a second one at once; the next team works."""
    with server.start("blocked_tool", loop=loop) as child:
        child.until("busy")
        at = child.signal(signal.SIGINT)
        if count > 1:
            _pause()
            child.signal(signal.SIGINT)
        assert child.until("result")["reason"] == "Stopped by SIGINT"
        took = time.monotonic() - at
        assert took >= 0.5 if count == 1 else took < 0.5 + MARGIN
        child.until("left")
        assert child.wait() == 0
        assert child.facts("result")[1]["reason"] != "Stopped by SIGINT"


@on_each_loop
def test_a_body_that_blocks_the_loop_is_interrupted_once(server: Server, loop: str) -> None:
    """It gets a CancelledError where it blocks; nothing else of the block ends."""
    with server.start("blocked_body", loop=loop) as child:
        child.until("busy")
        assert _interrupted(child, "interrupted") >= 0.5
        assert child.until("result")["reason"] != "Stopped by SIGINT"
        assert child.wait() == 0


@on_each_loop
def test_twenty_sigints_at_a_team_that_refuses(server: Server, loop: str) -> None:
    """The process lives, the team is quarantined, the next team works; at the end one is enough."""
    with server.start("stubborn", loop=loop) as child:
        child.until("busy")
        for _ in range(20):
            child.signal(signal.SIGINT)
            _pause()
        assert child.until("quarantined") == {
            "fact": "quarantined",
            "error": "Quarantined",
            "count": 1,
        }
        child.signal(signal.SIGUSR1)
        assert child.until("result")["reason"] != "Stopped by SIGINT"
        child.until("left")
        # The loop's end waits for what refuses. The first may come while the block is still open.
        for _ in range(20):
            child.signal(signal.SIGINT)
            if child.has_ended(within=0.5):
                break
        assert child.wait() == 137


@on_each_loop
def test_sigterm_during_an_interrupt_stops_the_program(server: Server, loop: str) -> None:
    """It dies by SIGTERM; only that is announced as a stop."""
    with server.start("stopped_meanwhile", loop=loop) as child:
        child.until("busy")
        assert _interrupted(child, "interrupted") < 1 + MARGIN
        child.signal(signal.SIGTERM)
        assert child.wait() == -signal.SIGTERM
        assert [it["reason"] for it in child.facts("stopped")] == ["Stopped by SIGTERM"]
        assert [it["reason"] for it in child.facts("result")] == ["Stopped by SIGINT"]


@on_each_loop
def test_sigint_at_a_prompt_is_told_and_does_nothing(server: Server, loop: str) -> None:
    """Nothing runs: each is told with 0, and the program ends when it wants."""
    with server.start("at_a_prompt", loop=loop) as child:
        child.until("ready")
        for _ in range(5):
            child.signal(signal.SIGINT)
            assert child.until("interrupted")["runs"] == 0
            _pause()
        child.signal(signal.SIGUSR1)
        child.until("left")
        assert child.wait() == 0
