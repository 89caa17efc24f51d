"""Real signals end a source that is iterated as they end a team."""

from __future__ import annotations

import signal

import pytest

from tests.process.harness import NEVER_SAID, Server

pytestmark = [pytest.mark.process]

on_each_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


@on_each_loop
@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(server: Server, loop: str, awaited: bool, number: int) -> None:
    """A signal ends its tasks, then closes it; its items are there, and the status is true."""
    with server.start("iterates", loop=loop, awaited=awaited) as child:
        child.until("busy")
        child.signal(number)
        assert child.wait() == -number, child.story()
        [result] = child.facts("result")
        assert result["items"] == [1]
        assert result["reason"] == f"Stopped by {signal.Signals(number).name}"
        order = [fact["fact"] for fact in child.seen if fact["fact"] in ("helped", "closed")]
        assert order == ["helped", "closed"]
        assert not [words for words in NEVER_SAID if words in child.stderr], child.story()


@on_each_loop
def test_one_that_refuses_does_not_hold_the_process(server: Server, loop: str) -> None:
    """A source that refuses is ended with the process, at the end of the ladder."""
    with server.start("iterates", loop=loop, awaited=False, refuses=True) as child:
        child.until("busy")
        child.signal(signal.SIGINT)
        child.until("refused")
        assert child.wait() == 137, child.story()
        assert "numbers" in child.stderr
