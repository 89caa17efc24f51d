"""Callbacks that learn of a stop."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import threading

import pytest

from supervisor import Rung, StopRequest, Supervisor
from supervisor._reports.log import reporter
from supervisor._supervisor.facade import parts_of
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


async def test_each_rung_is_told_as_it_is_entered(caplog: pytest.LogCaptureFixture) -> None:
    """A rung callback gets each rung once, in order; one that raises does not keep the others."""
    told: list[Rung] = []

    def fail(_: Rung) -> None:
        raise LookupError("mine")

    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        announcement = parts_of(sup).scope.announcement
        announcement.add_rung_callback(fail)
        announcement.add_rung_callback(told.append)
        sup.stop("enough", "DRAIN")
        await sup.wait_stop()
        sup.stop("now")
        await asyncio.sleep(0)
    assert told == [Rung.DRAIN, Rung.CANCEL]
    assert await asyncio.to_thread(reporter.flush, 5)
    assert "rung callback failed" in caplog.messages


async def test_a_waiter_that_was_cancelled_in_this_step_stays_so() -> None:
    """A task that was cancelled just before the stop is announced gets its cancellation."""
    async with Supervisor(signals={}) as sup:
        task = asyncio.create_task(sup.wait_stop())
        await asyncio.sleep(0)
        task.cancel()
        parts_of(sup).scope.announcement.make(StopRequest(reason="enough", rung=Rung.DRAIN))
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_on_stop_between_a_stop_and_the_entry_is_called_in_the_block() -> None:
    """A function that comes before there is a loop is called once there is one."""
    told: list[str] = []
    sup = Supervisor(signals={})
    sup.stop("at once")
    sup.on_stop(lambda request: told.append(request.reason))
    async with sup:
        await asyncio.Event().wait()
    assert told == ["at once"]
