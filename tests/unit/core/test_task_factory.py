"""The task factory: how it is installed, and the scope that each task gets."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from supervisor._autogen.kinds import HANDLER
from supervisor._core.tasks import SCOPE, AnyTask, Scope, TaskFactory, task_factory
from tests.unit.core.scopes import FakeRun


async def test_the_factory_is_installed_while_it_is_acquired() -> None:
    """The last release restores the factory that was replaced."""
    loop = asyncio.get_running_loop()
    tasks = TaskFactory(loop)
    tasks.acquire()
    tasks.acquire()
    tasks.release()
    assert loop.get_task_factory() is not None
    tasks.release()
    assert loop.get_task_factory() is None


async def test_the_replaced_factory_makes_the_tasks() -> None:
    """A user's factory still makes every task, and the scope has those of the run."""

    class Mine(asyncio.Task[Any]):
        pass

    def make(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        return Mine(coro, loop=loop, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(make)
    with FakeRun() as run:
        inside, outside = run.create(run.wait()), asyncio.create_task(run.wait())
        assert isinstance(inside, Mine)
        assert isinstance(outside, Mine)
        assert run.scope.at_work() == [inside]
        await run.end(inside, outside)
    assert loop.get_task_factory() is make
    loop.set_task_factory(None)


async def test_a_factory_set_over_ours_stays() -> None:
    """A factory that somebody has set meanwhile is not replaced."""

    def make(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        return asyncio.Task(coro, loop=loop, **options)

    loop = asyncio.get_running_loop()
    with FakeRun():
        loop.set_task_factory(make)
    assert loop.get_task_factory() is make
    loop.set_task_factory(None)


async def test_one_factory_for_a_loop() -> None:
    """The runs of several supervisors share the factory of their loop."""
    loop = asyncio.get_running_loop()
    assert task_factory(loop) is task_factory(loop)


def test_a_loop_that_had_a_run_is_freed(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """A program that makes many loops keeps none of them."""

    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        loop = asyncio.get_running_loop()
        task_factory(loop).acquire()
        await asyncio.sleep(0)
        task_factory(loop).release()
        return weakref.ref(loop)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        kept = runner.run(main())
    del runner
    gc.collect()
    assert kept() is None


# -- which scope --------------------------------------------------------------------------------


async def _scope_seen(seen: list[Scope | None]) -> None:
    seen.append(SCOPE.get())


async def test_find_scope_puts_a_task_into_another_scope() -> None:
    """A task without a scope is put into the one that the function returns, context and all."""
    run, seen = FakeRun(), list[Scope | None]()
    run.factory.acquire(lambda coro, found: run.scope)
    try:
        task = asyncio.create_task(_scope_seen(seen))
        assert run.scope.at_work() == [task]
        await task
    finally:
        run.factory.release()
    assert seen == [run.scope]
    assert SCOPE.get() is None


async def test_find_scope_takes_a_message_loop_out_of_its_scope() -> None:
    """A message loop for which it returns None is in no scope, and neither is what it starts."""
    run, seen = FakeRun(), list[Scope | None]()

    async def pass_on() -> None:
        await asyncio.create_task(_scope_seen(seen))

    run.factory.acquire(lambda coro, found: None)
    try:
        task = run.create(pass_on())
        assert run.scope.alive() == []
        await task
    finally:
        run.factory.release()
    assert run.engines == []
    assert seen == [None]


async def test_find_scope_is_not_called_for_a_scope_s_own_work() -> None:
    """What a run starts belongs to it; only its message loops may belong to another run."""
    run, asked = FakeRun(), list[str]()

    def find_scope(coro: Any, found: Scope | None) -> Scope | None:
        asked.append(coro.__name__)
        return found

    run.factory.acquire(find_scope)
    try:
        tasks = [run.create(run.wait()), run.create(run.pass_on())]
        outside = asyncio.create_task(run.wait_idle())
        await run.end(*tasks, outside)
    finally:
        run.factory.release()
    assert asked == ["pass_on", "wait_idle"]


async def test_what_a_moved_task_starts_is_moved_too() -> None:
    """The tasks that it starts inherit the context, so the function need not know them."""
    run, seen = FakeRun(), list[Scope | None]()

    async def start() -> None:
        await asyncio.create_task(_scope_seen(seen))

    def find_scope(coro: Any, found: Scope | None) -> Scope | None:
        return run.scope if coro.__name__ == "start" else found

    run.factory.acquire(find_scope)
    try:
        await asyncio.create_task(start())
    finally:
        run.factory.release()
    assert seen == [run.scope]


async def test_find_scope_leaves_the_other_variables_of_the_context() -> None:
    """Only the scope changes: the context holds what else it held."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")
    run, seen = FakeRun(), list[str]()

    async def look() -> None:
        seen.append(variable.get())

    given = contextvars.copy_context()
    given.run(variable.set, "given")
    run.factory.acquire(lambda coro, found: run.scope)
    try:
        variable.set("current")
        await asyncio.create_task(look())
        await asyncio.get_running_loop().create_task(look(), context=given)
    finally:
        run.factory.release()
    assert seen == ["current", "given"]
    assert given.get(SCOPE) is None


# -- steps --------------------------------------------------------------------------------------


class _Wrapped(Coroutine[Any, Any, Any]):
    """A coroutine whose steps are counted."""

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self.coro = coro
        self.steps = 0

    def send(self, value: Any) -> Any:
        """Count the step."""
        self.steps += 1
        return self.coro.send(value)

    def throw(self, *args: Any) -> Any:
        """As a coroutine's."""
        return self.coro.throw(*args)

    def close(self) -> None:
        """As a coroutine's."""
        self.coro.close()

    def __await__(self) -> Any:
        return self.coro.__await__()


async def test_wrap_gets_each_coroutine_of_a_scope() -> None:
    """The tasks of a scope run what `wrap` makes of their coroutines; others run their own."""
    made: list[_Wrapped] = []

    def wrap(coro: Any) -> _Wrapped:
        made.append(_Wrapped(coro))
        return made[-1]

    with FakeRun() as run:
        run.factory.wrap = wrap
        outside, inside = asyncio.create_task(run.wait()), run.create(run.wait())
        await asyncio.sleep(0)
        assert [getattr(each.coro, "__name__", "") for each in made] == ["wait"]
        assert inside.get_coro() is made[0]
        await run.end(outside, inside)
        assert made[0].steps == 2


async def test_a_wrapped_coroutine_is_classified_by_its_own_code() -> None:
    """A task's kind is that of the coroutine itself, not of its wrapper."""
    with FakeRun() as run:
        run.factory.wrap = _Wrapped
        started: list[AnyTask] = []
        handler, loop = run.create(run.handle(started)), run.create(run.pass_on())
        await asyncio.sleep(0)
        assert run.engines == [(loop, "pass_on")]
        assert run.scope.alive(HANDLER) == [handler]
        await run.end(handler, loop, *started)


async def test_a_gated_task_runs_what_the_gate_returns() -> None:
    """The gate gets the coroutine of a tool call, and of no other task."""
    given: list[str] = []

    async def passed(coro: Coroutine[Any, Any, Any]) -> Any:
        return f"passed {await coro}"

    def gate(coro: Any) -> Any:
        given.append(coro.__name__)
        return passed(coro)

    async def call() -> str:
        return "called"

    async def work() -> str:
        return "worked"

    with FakeRun() as run:
        run.scope.gate = gate
        assert await run.create(call()) == "passed called"
        assert await run.create(work()) == "worked"
    assert given == ["call"]


async def test_a_call_that_is_cancelled_at_the_gate_is_closed() -> None:
    """Python would warn of a coroutine that was never awaited."""
    waits = asyncio.Event()

    async def passed(_coro: Coroutine[Any, Any, Any]) -> None:
        waits.set()
        await asyncio.Event().wait()

    async def call() -> None:
        raise AssertionError("it was cancelled before")

    with FakeRun() as run:
        run.scope.gate = passed
        coro = call()
        task = run.create(coro)
        await waits.wait()
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)
        assert inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED


# -- errors of ours -----------------------------------------------------------------------------


class Blind(FakeRun):
    """A run whose tasks cannot be told from each other, or not be noted."""

    def __init__(self, fails: str) -> None:
        super().__init__()
        self.fails = fails
        self.scope = Scope(self._classify, self)

    def _classify(self, coro: Any) -> tuple[Any, Any]:
        if self.fails == "classify":
            raise LookupError("of what kind it is")
        return HANDLER, None

    def observe(self, kind: Any, task: AnyTask, coro: Any, more: Any) -> None:
        """Fail."""
        raise LookupError("who works for whom")


@pytest.mark.parametrize("fails", ["classify", "observe"])
async def test_a_task_that_cannot_be_followed_is_created_and_told_of(fails: str) -> None:
    """The code that creates the task goes on, and the run learns of the error."""
    told = list[Exception]()
    with Blind(fails) as run:
        run.scope.on_failure = told.append
        task = run.create(run.wait())
        await run.end(task)
    assert [type(error) for error in told] == [LookupError] * len(told)
    assert told


async def test_without_a_run_to_tell_the_loop_is_told() -> None:
    """Where nobody wants to know of the error it goes to the loop's exception handler."""
    told = list[Any]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    with Blind("observe") as run:
        await run.end(run.create(run.wait()))
    loop.set_exception_handler(None)
    assert [type(error) for error in told] == [LookupError]
