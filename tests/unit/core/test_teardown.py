"""The settling of a stopped run: what is cancelled, how often, and when that is over."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import Any

import pytest

from supervisor._core import teardown as module
from supervisor._core.tasks import AnyTask
from supervisor._core.teardown import Teardown
from tests.unit.core.scopes import FakeRun

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


class Settling:
    """The settling of a fake run, and how often it has said that it is over."""

    def __init__(self, run: FakeRun) -> None:
        self.run = run
        self.times = 0
        self.is_over = asyncio.Event()
        self.cancelled = 0
        self.teardown = Teardown(run.scope, self._settled)

    def _settled(self) -> None:
        self.times += 1
        self.is_over.set()

    async def begin(self, *, refusals: int) -> AnyTask:
        """Start a task that refuses to be cancelled this many times."""

        async def refuse() -> None:
            while True:
                try:
                    await self.run.may_end.wait()
                    return
                except asyncio.CancelledError:
                    self.cancelled += 1
                    if self.cancelled > refusals:
                        raise

        task = self.run.create(refuse())
        await asyncio.sleep(0)
        return task

    async def until_delivered(self) -> None:
        """Wait until what was cancelled has heard of it."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert self.cancelled


async def test_a_run_with_nothing_at_work_has_settled_at_once() -> None:
    """There is nothing to wait for."""
    with FakeRun() as run:
        settling = Settling(run)
        settling.teardown.cancel_all()
        assert settling.teardown.is_over
        assert settling.times == 1


async def test_a_run_is_stopping_until_it_has_settled() -> None:
    """From the first cancellation on its errors are those of a stop; it is over at its end."""
    with FakeRun() as run:
        settling = Settling(run)
        task = await settling.begin(refusals=1)
        assert not run.scope.is_stopping
        settling.teardown.cancel_all()
        assert (run.scope.is_stopping, settling.teardown.is_over) == (True, False)
        await run.end(task)
        assert (run.scope.is_stopping, settling.teardown.is_over) == (True, True)


async def test_it_is_over_once() -> None:
    """Whoever waits is told once, however often it is looked at."""
    with FakeRun() as run:
        settling = Settling(run)
        settling.teardown.cancel_all()
        settling.teardown.check()
        settling.teardown.cancel_all()
        assert settling.times == 1


async def test_what_refuses_is_cancelled_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """At ABANDON a task is cancelled until it ends, and nothing is left of it then."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    with FakeRun() as run:
        settling = Settling(run)
        task = await settling.begin(refusals=4)
        settling.teardown.cancel_all()
        await settling.until_delivered()
        assert settling.teardown.attempts == 0
        settling.teardown.abandon()
        assert settling.teardown.attempts == 1
        async with asyncio.timeout(10):
            await settling.is_over.wait()
        assert task.cancelled()
        assert settling.cancelled == 5
        assert settling.teardown.attempts >= 4  # one more where the loop is late
        assert settling.teardown._retry_timer is None
        assert settling.teardown.pending() == []


async def test_what_has_ended_by_itself_is_abandoned_no_more() -> None:
    """A process that was waited for has ended just before ABANDON: no timer is left."""
    processes, over = ["sleep"], list[str]()

    class Ending(Teardown):
        @property
        def is_ending(self) -> bool:
            return bool(processes)

    with FakeRun() as run:
        teardown = Ending(run.scope, lambda: over.append("over"))
        teardown.cancel_all()
        assert not teardown.is_over
        processes.clear()
        teardown.abandon()
        assert over == ["over"]
        assert teardown._retry_timer is None


async def test_to_abandon_twice_is_to_abandon() -> None:
    """What was to be tried next is tried at once, and not once more as well."""
    with FakeRun() as run:
        settling = Settling(run)
        task = await settling.begin(refusals=100)
        settling.teardown.abandon()
        first = settling.teardown._retry_timer
        settling.teardown.abandon()
        assert first is not None
        assert first.cancelled()
        await settling.until_delivered()
        assert settling.teardown.attempts == 2
        settling.teardown.give_up()
        await run.end(task)


async def test_what_is_given_up_is_left_to_itself() -> None:
    """Nothing is cancelled any more."""
    with FakeRun() as run:
        settling = Settling(run)
        task = await settling.begin(refusals=100)
        settling.teardown.abandon()
        timer = settling.teardown._retry_timer
        settling.teardown.give_up()
        assert timer is not None
        assert timer.cancelled()
        assert settling.teardown._retry_timer is None
        assert settling.teardown.left() == [task]
        await run.end(task)


async def test_a_task_that_is_forgotten_is_not_waited_for() -> None:
    """Once it is not waited for, the run has settled, though the task goes on."""
    with FakeRun() as run:
        settling = Settling(run)
        task = await settling.begin(refusals=100)
        settling.teardown.cancel_all()
        settling.teardown.forget([task])
        assert settling.teardown.pending() == []
        settling.teardown.leave_helpers()
        assert settling.times == 1
        await run.end(task)


async def test_the_error_of_a_task_that_is_forgotten_is_not_reported_by_asyncio() -> None:
    """It may fail after the run has settled: nobody else would look at it."""
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    with FakeRun() as run:
        settling = Settling(run)
        task = run.create(_refuse_and_fail(run))
        await asyncio.sleep(0)
        settling.teardown.cancel_all()
        settling.teardown.forget([task])
        settling.teardown.leave_helpers()
        assert settling.teardown.is_over
        await run.end(task)
        del task
    del settling, run
    gc.collect()
    assert said == []


async def _refuse_and_fail(run: FakeRun) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await run.may_end.wait()
    await run.may_end.wait()
    raise ValueError("after all")


async def test_errors_of_what_was_cancelled_are_not_reported_by_asyncio() -> None:
    """A task that fails as it is cancelled, and one that had failed before, say nothing more."""
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))

    async def fail(run: FakeRun) -> None:
        try:
            await run.may_end.wait()
        finally:
            raise ValueError("in its clean-up")

    with FakeRun() as run:
        settling = Settling(run)
        before, now = run.create(_fail_at_once()), run.create(fail(run))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        settling.teardown.cancel_all()
        for _ in range(5):
            await asyncio.sleep(0)
        assert settling.times == 1
        assert before.done()
        assert now.done()
        del before, now
    del settling, run
    gc.collect()
    assert said == []


async def _fail_at_once() -> None:
    raise ValueError("long ago")
