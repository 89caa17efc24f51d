"""Spawned tasks: waited for, cancelled, and their failures."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio

import pytest

from supervisor import Ladder, Rung, Supervisor
from supervisor._reports.log import reporter
from tests.unit.supervisor.fakes import (
    LONG,
    PATIENT,
    SHORT,
    Talker,
    insist,
    wait_for,
)


async def test_a_spawned_task_is_waited_for() -> None:
    """The block is left once its tasks have ended by themselves."""
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append("work")

    async with Supervisor(signals={}) as sup:
        assert sup.spawn(work(), name="the work").get_name() == "the work"
    assert done == ["work"]
    assert sup.stop_request is None


async def test_a_spawned_task_is_cancelled_at_cancel() -> None:
    """A stop lets it work in DRAIN, and cancels it at CANCEL."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        task = sup.spawn(asyncio.sleep(LONG))
        sup.stop("enough", Rung.DRAIN)
        await sup.wait_stop()
        await asyncio.sleep(0.01)
        assert not task.done()
        sup.stop("now")
    assert task.cancelled()


async def test_a_failure_that_nobody_saw_comes_out() -> None:
    """A spawned task that failed unseen is raised by the block, in a group."""

    async def fail() -> None:
        raise LookupError("mine")

    with pytest.RaisesGroup(pytest.RaisesExc(LookupError, match="mine")):
        async with Supervisor(signals={}) as sup:
            sup.spawn(fail())
            await asyncio.sleep(0.01)


async def test_a_failure_that_was_seen_does_not_come_out_twice() -> None:
    """Who awaits the task and handles its error has dealt with it."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("mine")

    async with Supervisor(signals={}) as sup:
        with pytest.raises(LookupError):
            await sup.spawn(fail())


async def test_a_failure_beside_the_bodys_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The body's own error comes out; that of a task is not lost."""

    async def fail() -> None:
        raise LookupError("the task's")

    with pytest.raises(ValueError, match="the body's"):  # noqa: PT012 - the block is what is tested
        async with Supervisor(signals={}) as sup:
            sup.spawn(fail())
            await asyncio.sleep(0.01)
            raise ValueError("the body's")
    assert await asyncio.to_thread(reporter.flush, 5)
    [record] = [r for r in caplog.records if r.message == "spawned task failed"]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)


async def test_a_task_that_reads_a_run_goes_on_with_its_result() -> None:
    """At CANCEL the run ends, and its reader has until ABANDON to do something with it."""
    saved: list[str | None] = []

    async def job(sup: Supervisor, team: Talker) -> None:
        reason = await wait_for(sup, team)
        await asyncio.sleep(0.01)
        saved.append(reason)
        await asyncio.sleep(LONG)

    async with Supervisor(signals={}, ladder=Ladder(drain=0, cancel=0.5, abandon=0.1)) as sup:
        team = Talker()
        task = sup.spawn(job(sup, team))
        await team.is_working.wait()
        sup.stop("enough")
    assert saved == ["enough"]
    assert task.cancelled()
    assert sup.rung is Rung.ABANDON


async def test_a_task_that_refuses_is_left(caplog: pytest.LogCaptureFixture) -> None:
    """A guest's block is left at the end of the ladder, and says who is still there."""
    may_end = asyncio.Event()
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        task = sup.spawn(insist(may_end), name="mule")
        await asyncio.sleep(0)
        sup.stop("enough")
    was_left = not task.done()
    may_end.set()
    await asyncio.wait([task])
    assert was_left
    assert await asyncio.to_thread(reporter.flush, 5)
    [record] = [r for r in caplog.records if r.message == "refused to stop"]
    [left] = record.__dict__["left"]
    assert (left["kind"], left["name"]) == ("task", "mule")
    assert "insist (" in left["stack"][-1]
    assert left["asked"] > 0
