"""Callbacks that learn of a stop."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import threading

import pytest

from supervisor import StopRequest, Supervisor
from supervisor._reports.log import reporter
from tests.unit.supervisor.fakes import (
    PATIENT,
)


async def test_on_stop_is_called_in_the_loop_and_isolated(caplog: pytest.LogCaptureFixture) -> None:
    """A callback that raises is logged, and does not keep the next from being called."""
    told: list[int] = []

    def fail(_: StopRequest) -> None:
        raise LookupError("mine")

    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        sup.on_stop(fail)
        sup.on_stop(lambda _: told.append(threading.get_ident()))
        afar = asyncio.create_task(asyncio.to_thread(sup.stop, "enough"))
        await sup.wait_stop()
        await afar
    assert told == [threading.get_ident()]
    assert await asyncio.to_thread(reporter.flush, 5)
    assert "on_stop callback failed" in caplog.messages


async def test_on_stop_registered_late_is_called_soon() -> None:
    """Registered after the stop, a callback is called all the same, once."""
    told: list[StopRequest] = []
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        sup.stop("enough")
        request = await sup.wait_stop()
        sup.on_stop(told.append)
        await asyncio.sleep(0.01)
    assert told == [request]


def test_on_stop_after_the_loop_has_closed_does_nothing() -> None:
    """A callback that is registered after everything is never called, and nothing raises."""
    told: list[StopRequest] = []

    async def main() -> Supervisor:
        async with Supervisor(signals={}) as sup:
            sup.stop("enough")
            await sup.wait_stop()
        return sup

    asyncio.run(main()).on_stop(told.append)
    assert told == []
