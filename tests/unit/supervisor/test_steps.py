"""What each step of a stop does with the runs and the body of a block."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio

import pytest

from supervisor import Rung, Stopped, Supervisor
from supervisor._core.errors import Quarantined
from tests.unit.supervisor.fakes import (
    LONG,
    PATIENT,
    SHORT,
    Failing,
    Stubborn,
    Talker,
    over,
    settles_its_count,
    stop_when,
    wait_for,
)


async def test_a_run_is_stopped_and_the_body_goes_on() -> None:
    """The run returns what was said so far; the body has its seconds after that."""
    async with settles_its_count():
        went_on = False
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            team = Talker()
            sup.spawn(stop_when(team.is_working, sup))
            result = await sup.stream(team)
            assert [m.to_text() for m in result.messages if hasattr(m, "to_text")] == ["one"]
            assert result.stop_reason == "enough"
            await asyncio.sleep(0.01)
            went_on = True
        assert went_on
        assert team.has_ended


async def test_a_further_run_is_refused_past_except_exception() -> None:
    """A loop over jobs ends at a stop, although each job is wrapped; the block swallows it."""
    jobs: list[str] = []
    async with Supervisor(signals={}) as sup:
        for job in range(3):
            try:
                sup.stop("enough")
                await sup.stream(Talker())
            except Exception:  # noqa: BLE001 - what users write
                jobs.append(f"failed {job}")
            jobs.append(f"done {job}")
    assert jobs == []


async def test_stopped_carries_the_request() -> None:
    """`Stopped` says which stop was in the way, and is a cancellation."""
    async with Supervisor(signals={}) as sup:
        sup.stop("enough")
        with pytest.raises(Stopped, match="enough") as caught:
            await sup.stream(Talker())
        assert caught.value.request is sup.stop_request
        coro = asyncio.sleep(0)
        with pytest.raises(Stopped):
            sup.spawn(coro)


async def test_a_body_without_a_run_is_cancelled() -> None:
    """Where no run was active, the body is cancelled at CANCEL, and the block swallows that."""
    async with settles_its_count():
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            asyncio.get_running_loop().call_soon(sup.stop, "enough")
            await asyncio.sleep(LONG)
            pytest.fail("the body was not cancelled")
        assert sup.rung is Rung.CANCEL


async def test_a_drain_with_nothing_to_wait_for_is_left_at_once() -> None:
    """An idle supervisor goes from DRAIN to CANCEL without waiting."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        asyncio.get_running_loop().call_soon(sup.stop, "enough", Rung.DRAIN)
        await asyncio.sleep(LONG)
    assert sup.rung is Rung.CANCEL


async def test_a_drain_waits_for_a_run() -> None:
    """In DRAIN a run goes on to its own end, and then so does the body, until it leaves."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        team = Talker()
        sup.spawn(stop_when(team.is_working, sup, Rung.DRAIN))
        run = sup.spawn(wait_for(sup, team))
        await sup.wait_stop()
        assert sup.rung is Rung.DRAIN
        team.may_end.set()
        assert await run == "let go"
        assert sup.rung is Rung.DRAIN


async def test_a_body_that_does_not_end_is_cancelled_at_abandon() -> None:
    """A body that goes on after its result has until ABANDON."""
    reached: list[Rung] = []
    async with settles_its_count(), Supervisor(signals={}, ladder=SHORT) as sup:
        team = Talker()
        sup.spawn(stop_when(team.is_working, sup))
        await sup.stream(team)
        try:
            await asyncio.sleep(LONG)
        finally:
            reached.append(sup.rung)
    assert reached == [Rung.ABANDON]


async def test_a_body_in_wait_stop_is_told_and_not_cancelled() -> None:
    """`wait_stop()` returns the request, and the body then ends in its own time."""
    async with settles_its_count():
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            asyncio.get_running_loop().call_soon(sup.stop, "enough")
            request = await sup.wait_stop()
            assert request is sup.stop_request
            assert request.reason == "enough"
            await asyncio.sleep(0.01)
            assert await sup.wait_stop() is request
        assert sup.rung is Rung.CANCEL


async def test_a_body_that_asked_is_not_interrupted() -> None:
    """Who calls `stop()` in the body goes on to the end of it."""
    went_on = False
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        sup.stop("enough")
        await asyncio.sleep(0.01)
        went_on = True
    assert went_on


async def test_a_run_that_nobody_waits_for_is_stopped() -> None:
    """A body that ends with a started run unread stops it."""
    team = Talker()
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        async for _ in (run := sup.stream(team)):
            break
    assert team.has_ended
    assert run.stop_request is not None
    assert sup.stop_request is None


async def test_a_body_that_raises_stops_everything() -> None:
    """Its exception comes out, and nothing is at work by then."""
    team = Talker()
    with pytest.raises(LookupError, match="mine"):  # noqa: PT012 - the block is what is tested
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            task = sup.spawn(wait_for(sup, team))
            await team.is_working.wait()
            raise LookupError("mine")
    assert task.result() == "The block raised LookupError"
    assert team.has_ended


async def test_a_failing_team_raises_as_without_us() -> None:
    """A team's own error comes out of its run, and other runs go on."""
    failing, other = Failing(), Talker("other")
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        task = sup.spawn(wait_for(sup, other))
        await other.is_working.wait()
        failing.may_end.set()
        with pytest.raises(LookupError, match="the team has failed"):
            await sup.stream(failing)
        assert sup.rung is Rung.RUNNING
        other.may_end.set()
        assert await task == "let go"


async def test_what_refuses_is_given_up() -> None:
    """At the end of a ladder that must not end the process the run raises `Quarantined`."""
    team = Stubborn("mule")
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        sup.spawn(stop_when(team.is_working, sup))
        with pytest.raises(Quarantined, match="mule"):
            await sup.stream(team)
    assert sup.rung is Rung.ABANDON
    team.may_end.set()
    await over(team)
