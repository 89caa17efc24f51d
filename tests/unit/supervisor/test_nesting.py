"""Supervisors inside the block of another one."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import signal

import pytest

from supervisor import Ladder, Rung, Stopped, StopRequest, Supervisor
from supervisor._supervisor.facade import parts_of
from tests.unit.supervisor.fakes import (
    LONG,
    PATIENT,
    Talker,
    insist,
    settles_its_count,
    stop_when,
    wait_for,
)


async def test_a_stop_of_the_outer_one_reaches_the_inner_ones_runs() -> None:
    """A run under a nested supervisor ends with the outer stop's reason, and its result."""
    team = Talker()
    saved: list[str | None] = []
    async with settles_its_count():
        async with Supervisor(signals={}, ladder=PATIENT) as outer:
            async with Supervisor(signals={}, ladder=PATIENT) as inner:
                outer.spawn(stop_when(team.is_working, outer))
                saved.append(await wait_for(inner, team))
                await asyncio.sleep(0.01)
                saved.append("went on")
            assert inner.stop_request is outer.stop_request
        assert outer.rung is Rung.CANCEL
    assert saved == ["enough", "went on"]


async def test_a_block_in_a_spawned_task_keeps_its_result() -> None:
    """The outer stop does not cancel a task whose own block has a run to end."""
    team = Talker()
    saved: list[str | None] = []

    async def job() -> None:
        async with Supervisor(signals={}, ladder=PATIENT) as inner:
            saved.append(await wait_for(inner, team))

    async with Supervisor(signals={}, ladder=PATIENT) as outer:
        outer.spawn(job())
        await team.is_working.wait()
        outer.stop("enough")
    assert saved == ["enough"]


async def test_a_stop_of_the_inner_one_leaves_the_outer_one() -> None:
    """The inner block ends; the outer one goes on, and can run."""
    async with settles_its_count(), Supervisor(signals={}, ladder=PATIENT) as outer:
        async with Supervisor(signals={}, ladder=PATIENT) as inner:
            asyncio.get_running_loop().call_soon(inner.stop, "inner only")
            await asyncio.sleep(LONG)
        assert outer.stop_request is None
        team = Talker()
        team.may_end.set()
        assert await wait_for(outer, team) == "let go"


async def test_one_cancellation_each_for_nested_blocks() -> None:
    """A stop of both cancels their one body once for each, and each takes back its own."""
    async with settles_its_count():
        async with Supervisor(signals={}, ladder=PATIENT) as outer:
            async with Supervisor(signals={}, ladder=PATIENT) as inner:
                asyncio.get_running_loop().call_soon(outer.stop, "enough")
                await asyncio.sleep(LONG)
            pytest.fail("the outer body was not cancelled")
        assert inner.stop_request is not None


async def test_no_run_in_an_inner_block_after_the_outer_stop() -> None:
    """A block that is entered after the stop starts nothing: `Stopped` goes through it."""
    steps: list[str] = []
    async with Supervisor(signals={}, ladder=PATIENT) as outer:
        outer.stop("enough")
        async with Supervisor(signals={}, ladder=PATIENT) as inner:
            await inner.stream(Talker())
        steps.append("went on")
    assert steps == []


async def test_the_outer_deadline_holds_for_the_inner_ladder() -> None:
    """After a signal the inner ladder ends no later than the outer one."""
    short, long = Ladder(drain=1, cancel=1, abandon=1), Ladder(drain=60, cancel=60, abandon=60)
    async with (
        Supervisor(signals={"SIGUSR1": "DRAIN"}, ladder=short) as outer,
        Supervisor(signals={"SIGUSR1": "DRAIN"}, ladder=long) as inner,
    ):
        signal.raise_signal(signal.SIGUSR1)
        await inner.wait_stop()
        async with asyncio.timeout(5):  # the inner one follows each climb a step of the loop later
            while parts_of(inner).stop.deadline != parts_of(outer).stop.deadline:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert not parts_of(inner).scope.nesting.may_exit
        assert parts_of(outer).scope.nesting.may_exit


async def test_an_inner_ladder_that_is_spent_does_not_end_the_process() -> None:
    """Inside another's block the end of the ladder leaves what refuses, also after a signal."""
    may_end = asyncio.Event()
    ladder = Ladder(drain=0.02, cancel=0.02, abandon=0.02)
    async with Supervisor(signals={}, ladder=PATIENT):
        async with Supervisor(signals={"SIGUSR1": "CANCEL"}, ladder=ladder) as inner:
            task = inner.spawn(insist(may_end))
            await asyncio.sleep(0)
            signal.raise_signal(signal.SIGUSR1)
        was_left = not task.done()
        may_end.set()
        await asyncio.wait([task])
        assert was_left
        assert inner.rung is Rung.EXIT


async def test_what_the_outer_one_refuses_is_no_stop_of_the_inner_one() -> None:
    """`Stopped` of the outer supervisor comes out of an inner block, though that is stopped too."""
    seen: list[object] = []
    async with Supervisor(signals={}, ladder=PATIENT) as outer:
        try:
            async with Supervisor(signals={}, ladder=PATIENT) as inner:
                inner.stop("of the inner one")
                outer.stop("of the outer one")
                await outer.stream(Talker())
        except Stopped as stopped:
            seen.append(stopped)
            raise
        seen.append("behind the inner block")
    assert [getattr(it, "request", it) for it in seen] == [outer.stop_request]


async def test_a_signal_holds_the_inner_runs_back_at_once() -> None:
    """What a loop finds out of a signal before its ladder climbs holds for blocks inside, too."""
    team = Talker()
    async with Supervisor(signals={}) as outer, Supervisor(signals={}, ladder=PATIENT) as inner:
        run = inner.stream(team)
        reading = asyncio.ensure_future(run)
        await team.is_working.wait()
        scope = parts_of(outer).scope
        scope.stop.ask(StopRequest(reason="soon", rung=Rung.DRAIN))
        scope.hold_back()
        held_by, rung = run.stop_request, outer.rung
        team.may_end.set()
        result = await reading
        outer.stop("now")
    assert rung is Rung.RUNNING
    assert held_by is outer.stop_request
    assert result.stop_reason == "let go"
    assert inner.stop_request is outer.stop_request
