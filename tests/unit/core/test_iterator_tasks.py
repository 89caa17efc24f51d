"""`sup.iterate`: what becomes of the tasks and the task groups of a source that is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, cast

import pytest

from supervisor import Ladder, Run, Rung, Supervisor, SupervisorError
from supervisor._core.iterator import IteratorAdapter
from supervisor._core.tasks import SCOPE
from supervisor.types import Phase

Numbers = AsyncGenerator[int, None]
Stop = Callable[[Supervisor, Run[int, list[int]]], None]
STOPS: list[Stop] = [
    lambda sup, _: sup.stop("Enough", Rung.DRAIN),
    lambda sup, _: sup.stop("Enough", Rung.CANCEL),
    lambda _, run: run.stop("Enough"),
]
each_stop = pytest.mark.parametrize("stop", STOPS, ids=["drain", "cancel", "alone"])


async def tasks_after(source: Callable[[], Numbers], stop: Stop) -> list[str]:
    """Stop a source at its second item; return the names of the tasks that are left."""
    seen: list[int] = []
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source())
        async for number in run:
            seen.append(number)
            if number == 1:
                stop(sup, run)
    assert seen == [0, 1]
    assert run.error is None
    return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def _wait() -> None:
    await asyncio.Event().wait()


@each_stop
async def test_a_task_that_nobody_waits_for_ends_with_it(stop: Stop) -> None:
    """A stop ends the tasks that the source leaves behind, whichever way it comes."""

    async def source() -> Numbers:
        left = asyncio.create_task(_wait())
        for number in range(10):
            await asyncio.sleep(0)
            yield number
        left.cancel()

    assert await tasks_after(source, stop) == []


@each_stop
async def test_a_task_of_its_clean_up_ends_with_it(stop: Stop) -> None:
    """A stop ends the tasks that the source's `finally` has started and does not wait for."""
    left: list[asyncio.Task[Any]] = []

    async def source() -> Numbers:
        try:
            for number in range(10):
                yield number
        finally:
            left.append(asyncio.create_task(_wait()))

    assert await tasks_after(source, stop) == []
    assert left


@each_stop
async def test_a_task_group_around_its_yield_is_no_failure(stop: Stop) -> None:
    """A task group makes a group of GeneratorExit; the loop ends as for any other source."""

    async def source() -> Numbers:
        async with asyncio.TaskGroup() as group:
            group.create_task(_wait())
            for number in range(10):
                await asyncio.sleep(0)
                yield number

    assert await tasks_after(source, stop) == []


async def test_what_a_task_group_has_failed_with_stands_in_the_error() -> None:
    """Beside GeneratorExit, a group's failures are in `run.error`, and are not raised."""
    failure = ValueError("in the group")

    async def fail() -> None:
        try:
            await _wait()
        finally:
            raise failure

    async def source() -> Numbers:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.sleep(0)
            yield 0
            yield 1

    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source())
        async for _ in run:
            sup.stop("Enough", Rung.DRAIN)
    error = cast("ExceptionGroup[ValueError]", run.error)
    assert error.exceptions == (failure,)


async def test_a_failure_in_drain_ends_its_tasks_too() -> None:
    """A source that raises in DRAIN fails; what it has left behind is ended before that."""
    is_draining = asyncio.Event()
    left: list[asyncio.Task[None]] = []

    async def source() -> Numbers:
        left.append(asyncio.create_task(_wait()))
        yield 0
        await is_draining.wait()
        raise ValueError("in the making")

    async with Supervisor(signals={}) as sup:
        run = sup.iterate(source())
        events = aiter(run)
        await anext(events)
        second = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        sup.stop("Enough", Rung.DRAIN)
        is_draining.set()
        with pytest.raises(ValueError, match="in the making"):
            await second
        assert left[0].cancelled()


async def test_in_drain_it_is_closed_while_the_last_item_is_read() -> None:
    """The source need not wait for the reader of the item that it has made in DRAIN."""
    is_waiting, gate, is_closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def source() -> Numbers:
        try:
            yield 0
            is_waiting.set()
            await gate.wait()
            yield 1
        finally:
            is_closed.set()

    async with Supervisor(signals={}, ladder=Ladder(drain=30)) as sup:

        async def read() -> None:
            async for number in sup.iterate(source()):
                if number == 1:
                    await is_closed.wait()

        reader = asyncio.create_task(read())
        await is_waiting.wait()
        sup.stop("Enough", Rung.DRAIN)
        await asyncio.sleep(0)
        gate.set()
        await reader
        assert sup.rung <= Rung.CANCEL


async def test_one_whose_tasks_cannot_be_followed_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error of ours about a task of the source ends the run, and says what it means."""

    def lost(_: Any) -> Any:
        raise LookupError("whose it is")

    async def source() -> AsyncGenerator[int, None]:
        scope = SCOPE.get()
        assert scope is not None
        monkeypatch.setattr(scope, "classify", lost)
        task = asyncio.create_task(asyncio.sleep(0))
        yield 1
        await task
        await asyncio.Event().wait()

    async with Supervisor(signals={}) as sup:
        with pytest.raises(
            SupervisorError, match="it could not be told what one of its tasks does"
        ):
            await sup.iterate(source())


async def test_one_that_cannot_be_opened_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error at the start is the run's, nothing stays at work, and the next run works."""

    async def source() -> AsyncGenerator[int, None]:
        yield 1

    def fail(adapter: object, loop: asyncio.AbstractEventLoop) -> None:
        raise LookupError("at the start")

    async with Supervisor(signals={}) as sup:
        with monkeypatch.context() as patched:
            patched.setattr(IteratorAdapter, "open", fail)
            run = sup.iterate(source())
            with pytest.raises(LookupError):
                await run
        assert (run.phase, type(run.error)) == (Phase.DONE, LookupError)
        assert asyncio.get_running_loop().get_task_factory() is None
        assert await sup.iterate(source()) == [1]
