"""Counting steps: what counts, how a step is hit, and that nothing else changes."""

from __future__ import annotations

import asyncio
import functools
import inspect

import pytest
from autogen_agentchat.agents import AssistantAgent

from supervisor import Supervisor, UsageError
from supervisor._core.tasks import task_factory
from supervisor.testing import ScriptedModel, Steps
from supervisor.testing._steps import _Counted
from tests.unit.testing.teams import agent, pair


async def steps_of_a_pair() -> int:
    """Return the number of steps of a run of two agents."""
    async with Supervisor(signals={}) as sup:
        with Steps() as steps:
            await sup.stream(pair(), "Begin")
    return steps.taken


@functools.cache
def counted_before() -> list[int]:
    """Return what the tests of this process have counted."""
    return []


async def test_the_count_is_the_same_every_time() -> None:
    """The number of steps is the same in each run, on each loop."""
    counted_before().extend([await steps_of_a_pair() for _ in range(2)])
    assert len(set(counted_before())) == 1
    assert counted_before()[0] > 50


async def test_a_call_comes_just_before_its_step() -> None:
    """A call comes just before its step, in whatever order the calls were planned."""
    seen: list[tuple[str, int]] = []
    async with Supervisor(signals={}) as sup:
        with Steps() as steps:
            steps.before(7, lambda: seen.append(("seven", steps.taken)))
            steps.before(3, lambda: seen.append(("three", steps.taken)))
            steps.before(1, lambda: seen.append(("one", steps.taken)))
            steps.before(10_000, lambda: seen.append(("never", steps.taken)))
            await sup.stream(pair(), "Begin")
    assert seen == [("one", 1), ("three", 3), ("seven", 7)]


async def test_the_first_step_is_that_of_the_driver() -> None:
    """Before step 1 nothing of the run has happened: the model was not asked."""
    model = ScriptedModel()
    asked: list[int] = []
    async with Supervisor(signals={}) as sup:
        with Steps() as steps:
            steps.before(1, lambda: asked.append(len(model.requests)))
            await sup.stream(AssistantAgent("ann", model), "Begin")
    assert asked == [0]


async def test_nothing_else_is_counted() -> None:
    """Tasks that belong to no run are no steps, nor are runs once the block is left."""
    with Steps() as steps:
        await asyncio.create_task(asyncio.sleep(0))
        assert steps.taken == 0
    async with Supervisor(signals={}) as sup:
        await sup.stream(agent("ann"), "Begin")
    assert steps.taken == 0
    assert task_factory(asyncio.get_running_loop()).wrap is None


async def test_a_run_may_outlive_the_block() -> None:
    """A run that is still at work when the block is left goes on uncounted."""
    async with Supervisor(signals={}) as sup:
        with Steps() as steps:
            is_begun = asyncio.Event()
            steps.before(5, is_begun.set)
            task = asyncio.create_task(sup.stream(pair(), "Begin"))
            await is_begun.wait()
            taken = steps.taken
        await task
    assert steps.taken == taken
    assert repr(steps) == f"<Steps {taken} taken>"


async def test_only_one_counts_at_a_time() -> None:
    """A second block within the first is refused, and changes nothing."""
    with Steps():
        with pytest.raises(UsageError, match="one Steps at a time"):
            Steps().__enter__()
        assert task_factory(asyncio.get_running_loop()).wrap is not None


async def test_a_counted_coroutine_looks_like_its_own() -> None:
    """Stack dumps, and code that looks at its frame, see the coroutine itself."""
    counted = _Counted(steps_of_a_pair(), lambda: None)
    assert counted.__qualname__ == "steps_of_a_pair"
    assert counted.cr_code is steps_of_a_pair.__code__
    assert inspect.getcoroutinestate(counted) == inspect.CORO_CREATED
    assert "counted" in repr(counted)
    task = asyncio.create_task(counted)
    await asyncio.sleep(0)
    assert task.get_stack()[0].f_code.co_name == "steps_of_a_pair"
    assert "steps_of_a_pair" in repr(task)
    await task


async def test_what_is_thrown_in_counts_as_well() -> None:
    """A cancellation is a resumption: it is thrown into the coroutine."""
    taken = 0

    def take() -> None:
        nonlocal taken
        taken += 1

    task = asyncio.create_task(_Counted(asyncio.sleep(3600), take))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert (taken, task.cancelled()) == (2, True)


async def test_a_counted_coroutine_can_be_closed_and_awaited() -> None:
    """A counted coroutine can be closed and awaited."""
    counted = _Counted(steps_of_a_pair(), lambda: None)
    counted.close()
    assert inspect.getcoroutinestate(counted) == inspect.CORO_CLOSED
    assert await _Counted(asyncio.sleep(0, "slept"), lambda: None) == "slept"
    with pytest.raises(ValueError, match="thrown"):
        _Counted(asyncio.sleep(0), lambda: None).throw(ValueError, ValueError("thrown"))
