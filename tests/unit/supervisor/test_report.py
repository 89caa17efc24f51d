"""What is said of a stop, in the log and at a terminal."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import logging
import signal

import pytest

from supervisor import Rung, Supervisor
from supervisor._reports.log import reporter
from tests.unit.supervisor.fakes import (
    LONG,
    PATIENT,
    Stubborn,
    Talker,
)


async def test_each_climb_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An event for each rung, with reason and trigger, and one at its end; no other at INFO."""
    caplog.set_level(logging.INFO, "supervisor")
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        asyncio.get_running_loop().call_soon(sup.stop, "enough", Rung.DRAIN)
        await asyncio.sleep(LONG)
    assert await asyncio.to_thread(reporter.flush, 5)
    *climbs, end = caplog.records
    said = [(r.message, vars(r)["reason"], vars(r)["trigger"]) for r in climbs]
    assert said == [("entered DRAIN", "enough", "request"), ("entered CANCEL", "enough", "idle")]
    assert (end.message, vars(end)["rung"]) == ("stopped", "CANCEL")


@pytest.mark.parametrize("is_slow", [False, True])
async def test_a_stop_that_is_over_at_once_is_not_told_of(
    monkeypatch: pytest.MonkeyPatch, *, is_slow: bool
) -> None:
    """What happens, and what the next Ctrl-C does, stands at a terminal while it is true."""
    said: list[str] = []
    monkeypatch.setattr(type(reporter), "has_reader", True)
    monkeypatch.setattr(reporter, "say", said.append)
    team = Stubborn() if is_slow else Talker()
    async with Supervisor(signals={"SIGUSR1": "CANCEL"}, ladder=PATIENT) as sup:
        run = asyncio.ensure_future(sup.stream(team))
        await team.is_working.wait()
        signal.raise_signal(signal.SIGUSR1)
        await sup.wait_stop()
        await asyncio.sleep(0.3)
        team.may_end.set()
        await run
    assert len(said) == is_slow
    assert all("cancelling 'talker'" in line for line in said)
