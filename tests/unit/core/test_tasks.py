"""The tasks of a run: what a scope notes, and what the factory leaves as it was."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from supervisor._core.asyncio_tools import refuse_eager, retrieve
from supervisor._core.errors import UsageError
from supervisor._core.tasks import (
    SCOPE,
    AnyTask,
    Kind,
    Scope,
    ShieldedTask,
    TaskFactory,
    task_factory,
)

KINDS = {
    "handle": Kind.HANDLER,
    "pass_on": Kind.ENGINE,
    "wait_idle": Kind.SHIELDED,
    "serve": Kind.HELPER,
    "call": Kind.CALL,
    "handle_call": Kind.HANDLER,
    "select": Kind.SELECTION,
}


def classify(coro: Any) -> tuple[Kind, Any]:
    """Return a coroutine's kind, by its name, and the name."""
    name = coro.cr_code.co_name
    return KINDS.get(name, Kind.WORK), name


class RunContext:
    """A tracker at work on the running loop, and one scope."""

    def __init__(self) -> None:
        self.engines: list[tuple[AnyTask, str]] = []
        self.children: list[tuple[AnyTask, str]] = []
        self.deliveries: list[tuple[AnyTask, AnyTask]] = []
        self.scope = Scope(classify, self)
        self.factory = TaskFactory(asyncio.get_running_loop())
        self.may_end = asyncio.Event()

    def observe(self, kind: Kind, task: AnyTask, coro: Any, more: Any) -> None:
        """Note the message loops."""
        if kind is Kind.ENGINE:
            self.engines.append((task, more))

    def observe_child(self, call: AnyTask, coro: Any) -> None:
        """Note what tool calls start."""
        self.children.append((call, coro.__name__))

    def observe_delivery(self, handler: AnyTask, task: AnyTask) -> None:
        """Note whom handlers pass their messages on to."""
        self.deliveries.append((handler, task))

    def __enter__(self) -> RunContext:
        self.factory.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.factory.release()

    def create(self, coro: Coroutine[Any, Any, Any]) -> AnyTask:
        """Return a task created in the scope."""
        context = contextvars.copy_context()
        context.run(SCOPE.set, self.scope)
        return asyncio.get_running_loop().create_task(coro, context=context)

    async def wait(self) -> None:
        """Ordinary work."""
        await self.may_end.wait()

    async def handle(self, started: list[AnyTask]) -> None:
        """Start a task, and wait, as a handler does."""
        started.append(asyncio.create_task(self.wait()))
        await self.may_end.wait()

    async def handle_and_leave(self, started: list[AnyTask]) -> None:
        """Start a task and do not wait for it, as a handler (by the first word of its name)."""
        started.append(asyncio.create_task(self.wait()))

    async def serve(self, started: list[AnyTask]) -> None:
        """Start a task, as a helper does."""
        started.append(asyncio.create_task(self.wait()))
        await self.may_end.wait()

    async def call(self, started: list[AnyTask]) -> None:
        """Start a task, as a tool call does."""
        started.append(asyncio.create_task(self.wait()))
        await self.may_end.wait()

    async def select(self) -> None:
        """Wait, as a selection does."""
        await self.may_end.wait()

    async def handle_call(self, started: list[AnyTask]) -> None:
        """Call a tool in a task that a task of this handler starts."""

        async def begin() -> None:
            started.append(asyncio.create_task(self.call(started)))
            await self.may_end.wait()

        started.append(asyncio.create_task(begin()))
        await self.may_end.wait()

    async def pass_on(self) -> None:
        """Wait, as a message loop does."""
        await self.may_end.wait()

    async def wait_idle(self) -> None:
        """Wait, as what must not be cancelled."""
        await self.may_end.wait()

    async def end(self, *tasks: AnyTask) -> None:
        """Lets everything end."""
        self.may_end.set()
        await asyncio.wait(tasks)


async def test_tasks_of_the_context_are_noted_at_any_depth() -> None:
    """A task created by a task of the scope belongs to it; one created outside does not."""
    with RunContext() as stage:
        started: list[AnyTask] = []
        handler = stage.create(stage.handle(started))
        outside = asyncio.create_task(stage.wait())
        await asyncio.sleep(0)
        assert stage.scope.at_work() == [started[0], handler]
        assert stage.scope.alive(Kind.HANDLER) == [handler]
        await stage.end(handler, outside, *started)
        assert stage.scope.at_work() == []


async def test_a_message_loop_is_told_before_it_starts_and_not_cancelled() -> None:
    """Its owner learns of it at once, and a stop has not to end it."""
    with RunContext() as stage:
        task = stage.create(stage.pass_on())
        assert stage.engines == [(task, "pass_on")]
        assert stage.scope.at_work() == []
        await stage.end(task)


async def test_a_helper_and_what_it_started_outlive_the_turn() -> None:
    """They are not among what a stop has to end, but are found when all is abandoned."""
    with RunContext() as stage:
        started: list[AnyTask] = []
        helper = stage.create(stage.serve(started))
        await asyncio.sleep(0)
        assert stage.scope.at_work() == []
        assert set(stage.scope.helping()) == {helper, *started}
        await stage.end(helper, *started)


async def test_what_outlives_its_handler_was_meant_to() -> None:
    """A task whose handler has ended before it is a helper, whatever it is."""
    KINDS["handle_and_leave"] = Kind.HANDLER
    with RunContext() as stage:
        started: list[AnyTask] = []
        await stage.create(stage.handle_and_leave(started))
        assert stage.scope.at_work() == []
        assert stage.scope.helping() == started
        await stage.end(*started)
    del KINDS["handle_and_leave"]


async def test_finished_tasks_are_forgotten() -> None:
    """However many come and go, few are kept."""
    with RunContext() as stage:
        for _ in range(1000):
            await stage.create(asyncio.sleep(0))
        assert len(stage.scope._entries) <= 65


async def test_failures_are_looked_at() -> None:
    """`retrieve` keeps asyncio from reporting a failure as unseen, and leaves the rest alone."""

    async def fail() -> None:
        raise LookupError

    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    with RunContext() as stage:
        failing, waiting = stage.create(fail()), stage.create(stage.wait())
        await asyncio.wait([failing])
        stage.scope.retrieve()
        retrieve(waiting)
        await stage.end(waiting)
        del failing
        stage.scope._entries.clear()
    assert told == []


async def test_a_shielded_task_is_not_cancelled_and_its_waiter_afterwards() -> None:
    """`cancel()` does not reach it; who awaits it is cancelled once it is done."""
    with RunContext() as stage:
        task = stage.create(stage.wait_idle())
        assert isinstance(task, ShieldedTask)
        assert not task.cancel()

        async def wait_for_it() -> None:
            await task

        waiter = asyncio.create_task(wait_for_it())
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiter.done()
        stage.may_end.set()
        await asyncio.wait([waiter])
        assert waiter.cancelled()
        assert not task.cancelled()


async def test_a_shield_can_be_taken_away() -> None:
    """Given up, it is a task like any."""
    with RunContext() as stage:
        task = stage.create(stage.wait_idle())
        assert isinstance(task, ShieldedTask)
        task.shielded = False
        assert task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def test_the_factory_is_there_while_it_is_held() -> None:
    """The last to release it puts back what was found."""
    loop = asyncio.get_running_loop()
    tasks = TaskFactory(loop)
    tasks.acquire()
    tasks.acquire()
    tasks.release()
    assert loop.get_task_factory() is not None
    tasks.release()
    assert loop.get_task_factory() is None


async def test_the_factory_that_was_found_makes_the_tasks() -> None:
    """A user's factory goes on making every task, and its tasks are noted."""

    class Mine(asyncio.Task[Any]):
        pass

    def make(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        return Mine(coro, loop=loop, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(make)
    with RunContext() as stage:
        inside, outside = stage.create(stage.wait()), asyncio.create_task(stage.wait())
        assert isinstance(inside, Mine)
        assert isinstance(outside, Mine)
        assert stage.scope.at_work() == [inside]
        await stage.end(inside, outside)
    assert loop.get_task_factory() is make
    loop.set_task_factory(None)


async def test_a_factory_set_over_ours_stays() -> None:
    """What somebody has set meanwhile is theirs to take back."""

    def make(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        return asyncio.Task(coro, loop=loop, **options)

    loop = asyncio.get_running_loop()
    with RunContext():
        loop.set_task_factory(make)
    assert loop.get_task_factory() is make
    loop.set_task_factory(None)


async def test_one_tracker_for_a_loop() -> None:
    """Runs of several supervisors share it."""
    loop = asyncio.get_running_loop()
    assert task_factory(loop) is task_factory(loop)


def test_a_loop_that_had_a_run_is_let_go(
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


async def test_an_eager_factory_is_refused() -> None:
    """An eager task factory, asyncio's or one made by it, is an error that says what to do."""
    loop = asyncio.get_running_loop()
    refuse_eager(loop)

    def make(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        return asyncio.Task(coro, loop=loop, **options)

    # Before Python 3.12 there is none: one that is called the same.
    make.__qualname__ = "create_eager_task_factory.<locals>.factory"
    eager = getattr(asyncio, "eager_task_factory", make) if sys.version_info >= (3, 12) else make
    loop.set_task_factory(eager)
    try:
        with pytest.raises(UsageError, match=r"set_task_factory\(None\)"):
            refuse_eager(loop)
        with pytest.raises(UsageError):
            TaskFactory(loop).acquire()
        assert loop.get_task_factory() is eager
    finally:
        loop.set_task_factory(None)


# -- on whose behalf ----------------------------------------------------------------------------


async def test_the_root_of_a_task_is_its_handler() -> None:
    """At any depth, a task works on behalf of the handler that started it, directly or not."""
    with RunContext() as stage:
        started: list[AnyTask] = []
        handler = stage.create(stage.handle_call(started))
        while len(started) < 3:  # noqa: ASYNC110 - a step of the loop for each
            await asyncio.sleep(0)
        assert [stage.scope.root(task) for task in started] == [handler] * 3
        assert stage.scope.root(handler) is handler
        await stage.end(handler, *started)


async def test_the_root_of_a_helper_and_of_a_message_loop_is_itself() -> None:
    """What a helper starts works on the helper's behalf, not on that of its own starter."""
    with RunContext() as stage:
        started: list[AnyTask] = []
        helper, loop = stage.create(stage.serve(started)), stage.create(stage.pass_on())
        await asyncio.sleep(0)
        assert stage.scope.root(helper) is helper
        assert stage.scope.root(started[0]) is helper
        assert stage.scope.root(loop) is loop
        await stage.end(helper, loop, *started)


async def test_the_root_of_a_stranger_is_not_known() -> None:
    """Of a task that is none of the scope's, and of none at all, there is no root."""
    with RunContext() as stage:
        outside = asyncio.create_task(stage.wait())
        inside = stage.create(stage.wait())  # by this test's task, which is in no scope
        assert stage.scope.root(outside) is None
        assert stage.scope.root(None) is None
        assert stage.scope.root(inside) is None
        await stage.end(outside, inside)


# -- tool calls ---------------------------------------------------------------------------------


async def test_what_a_tool_call_starts_is_told() -> None:
    """Its observer learns of the task of a call, and of each that the call itself starts."""
    with RunContext() as stage:
        started: list[AnyTask] = []
        handler = stage.create(stage.handle_call(started))
        while len(started) < 3:  # noqa: ASYNC110 - a step of the loop for each
            await asyncio.sleep(0)
        call = started[1]
        assert stage.children == [(call, "wait")]
        await stage.end(handler, *started)


async def test_what_a_handler_starts_is_no_child_of_a_call() -> None:
    """Only the tasks that a call starts are told as its children."""
    with RunContext() as stage:
        started: list[AnyTask] = []
        handler = stage.create(stage.handle(started))
        await asyncio.sleep(0)
        assert stage.children == []
        await stage.end(handler, *started)


async def test_calls_and_selections_are_at_work() -> None:
    """A stop has to end them, as all that a handler has started."""
    with RunContext() as stage:
        started: list[AnyTask] = []
        call, selection = stage.create(stage.call(started)), stage.create(stage.select())
        await asyncio.sleep(0)
        assert set(stage.scope.at_work()) == {call, selection, *started}
        assert stage.scope.alive(Kind.CALL) == [call]
        assert stage.scope.alive(Kind.SELECTION) == [selection]
        await stage.end(call, selection, *started)


# -- whose task ---------------------------------------------------------------------------------


async def _scope_seen(seen: list[Scope | None]) -> None:
    seen.append(SCOPE.get())


async def test_an_owner_puts_a_task_into_another_scope() -> None:
    """A task of no scope's context is put into the one that its owner names, context and all."""
    stage, seen = RunContext(), list[Scope | None]()
    stage.factory.acquire(lambda coro, found: stage.scope)
    try:
        task = asyncio.create_task(_scope_seen(seen))
        assert stage.scope.at_work() == [task]
        await task
    finally:
        stage.factory.release()
    assert seen == [stage.scope]
    assert SCOPE.get() is None


async def test_an_owner_takes_a_message_loop_out_of_its_scope() -> None:
    """A message loop that is nobody's, for its owner, is in no scope, nor is what it starts."""
    stage, seen = RunContext(), list[Scope | None]()

    async def pass_on() -> None:
        await asyncio.create_task(_scope_seen(seen))

    stage.factory.acquire(lambda coro, found: None)
    try:
        task = stage.create(pass_on())
        assert stage.scope.alive(*Kind) == []
        await task
    finally:
        stage.factory.release()
    assert stage.engines == []
    assert seen == [None]


async def test_an_owner_is_not_asked_of_a_scope_s_own_work() -> None:
    """What a run has started is the run's; only its message loops may be another one's."""
    stage, asked = RunContext(), list[str]()

    def owner(coro: Any, found: Scope | None) -> Scope | None:
        asked.append(coro.__name__)
        return found

    stage.factory.acquire(owner)
    try:
        tasks = [stage.create(stage.wait()), stage.create(stage.pass_on())]
        outside = asyncio.create_task(stage.wait_idle())
        await stage.end(*tasks, outside)
    finally:
        stage.factory.release()
    assert asked == ["pass_on", "wait_idle"]


async def test_what_a_task_starts_that_was_put_elsewhere_is_there_too() -> None:
    """The context of the scope is inherited, so that the owner need not know the rest."""
    stage, seen = RunContext(), list[Scope | None]()

    async def start() -> None:
        await asyncio.create_task(_scope_seen(seen))

    def owner(coro: Any, found: Scope | None) -> Scope | None:
        return stage.scope if coro.__name__ == "start" else found

    stage.factory.acquire(owner)
    try:
        await asyncio.create_task(start())
    finally:
        stage.factory.release()
    assert seen == [stage.scope]


async def test_an_owner_leaves_the_other_variables_of_the_context() -> None:
    """Only the scope is another one: what else the context holds is what it was created with."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")
    stage, seen = RunContext(), list[str]()

    async def look() -> None:
        seen.append(variable.get())

    given = contextvars.copy_context()
    given.run(variable.set, "given")
    stage.factory.acquire(lambda coro, found: stage.scope)
    try:
        variable.set("current")
        await asyncio.create_task(look())
        await asyncio.get_running_loop().create_task(look(), context=given)
    finally:
        stage.factory.release()
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


async def test_wrap_is_put_around_each_coroutine_of_a_scope() -> None:
    """The tasks of a scope run what `wrap` makes of their coroutines; others run their own."""
    made: list[_Wrapped] = []

    def wrap(coro: Any) -> _Wrapped:
        made.append(_Wrapped(coro))
        return made[-1]

    with RunContext() as stage:
        stage.factory.wrap = wrap
        outside, inside = asyncio.create_task(stage.wait()), stage.create(stage.wait())
        await asyncio.sleep(0)
        assert [getattr(each.coro, "__name__", "") for each in made] == ["wait"]
        assert inside.get_coro() is made[0]
        await stage.end(outside, inside)
        assert made[0].steps == 2


async def test_a_wrapped_coroutine_is_classified_by_its_own_code() -> None:
    """Kinds are those of the coroutines themselves, whatever is put around them."""
    with RunContext() as stage:
        stage.factory.wrap = _Wrapped
        started: list[AnyTask] = []
        handler, loop = stage.create(stage.handle(started)), stage.create(stage.pass_on())
        await asyncio.sleep(0)
        assert stage.engines == [(loop, "pass_on")]
        assert stage.scope.alive(Kind.HANDLER) == [handler]
        await stage.end(handler, loop, *started)
