"""A scope: the tasks that belong to a run, and which of them a stop may cancel."""

from __future__ import annotations

import asyncio

from supervisor._autogen.kinds import CALL, HANDLER, SELECTION
from supervisor._core.asyncio_tools import retrieve
from supervisor._core.tasks import AnyTask, ShieldedTask
from tests.unit.core.scopes import KINDS, FakeRun


async def test_tasks_of_the_context_belong_at_any_depth() -> None:
    """A task created by a task of the scope belongs to it; one created outside does not."""
    with FakeRun() as run:
        started: list[AnyTask] = []
        handler = run.create(run.handle(started))
        outside = asyncio.create_task(run.wait())
        await asyncio.sleep(0)
        assert run.scope.at_work() == [started[0], handler]
        assert run.scope.alive(HANDLER) == [handler]
        await run.end(handler, outside, *started)
        assert run.scope.at_work() == []


async def test_a_message_loop_is_observed_and_not_cancelled() -> None:
    """The observer learns of it before it starts, and a stop does not have to end it."""
    with FakeRun() as run:
        task = run.create(run.pass_on())
        assert run.engines == [(task, "pass_on")]
        assert run.scope.at_work() == []
        await run.end(task)


async def test_a_helper_and_what_it_started_outlive_the_turn() -> None:
    """A stop does not have to end them, but they are found when all is abandoned."""
    with FakeRun() as run:
        started: list[AnyTask] = []
        helper = run.create(run.serve(started))
        await asyncio.sleep(0)
        assert run.scope.at_work() == []
        assert set(run.scope.helping()) == {helper, *started}
        await run.end(helper, *started)


async def test_a_task_that_outlives_its_handler_is_a_helper() -> None:
    """A task whose handler has ended before it counts as a helper, of whatever kind it is."""
    KINDS["handle_and_leave"] = HANDLER
    with FakeRun() as run:
        started: list[AnyTask] = []
        await run.create(run.handle_and_leave(started))
        assert run.scope.at_work() == []
        assert run.scope.helping() == started
        await run.end(*started)
    del KINDS["handle_and_leave"]


async def test_finished_tasks_are_forgotten() -> None:
    """However many tasks come and go, the scope keeps few."""
    with FakeRun() as run:
        for _ in range(1000):
            await run.create(asyncio.sleep(0))
        assert len(run.scope._entries) <= 65


async def test_failures_are_retrieved() -> None:
    """`retrieve` keeps asyncio from reporting a failure as never retrieved, and leaves the rest."""

    async def fail() -> None:
        raise LookupError

    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    with FakeRun() as run:
        failing, waiting = run.create(fail()), run.create(run.wait())
        await asyncio.wait([failing])
        run.scope.retrieve()
        retrieve(waiting)
        await run.end(waiting)
        del failing
        run.scope._entries.clear()
    assert told == []


async def test_a_shielded_task_ignores_cancel() -> None:
    """It ignores `cancel()`; a task that awaits it is cancelled once it is done."""
    with FakeRun() as run:
        task = run.create(run.wait_idle())
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
        run.may_end.set()
        await asyncio.wait([waiter])
        assert waiter.cancelled()
        assert not task.cancelled()


async def test_a_shield_can_be_taken_away() -> None:
    """Without its shield it is cancelled like any task."""
    with FakeRun() as run:
        task = run.create(run.wait_idle())
        assert isinstance(task, ShieldedTask)
        task.shielded = False
        assert task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


# -- the root of a task --------------------------------------------------------------------------


async def test_the_root_of_a_task_is_its_handler() -> None:
    """A task's root is the handler that started it, directly or at any depth."""
    with FakeRun() as run:
        started: list[AnyTask] = []
        handler = run.create(run.handle_call(started))
        while len(started) < 3:  # noqa: ASYNC110 - a step of the loop for each
            await asyncio.sleep(0)
        assert [run.scope.root(task) for task in started] == [handler] * 3
        assert run.scope.root(handler) is handler
        await run.end(handler, *started)


async def test_the_root_of_a_helper_and_of_a_message_loop_is_itself() -> None:
    """The root of what a helper starts is the helper, not whatever started the helper."""
    with FakeRun() as run:
        started: list[AnyTask] = []
        helper, loop = run.create(run.serve(started)), run.create(run.pass_on())
        await asyncio.sleep(0)
        assert run.scope.root(helper) is helper
        assert run.scope.root(started[0]) is helper
        assert run.scope.root(loop) is loop
        await run.end(helper, loop, *started)


async def test_a_task_outside_the_scope_has_no_root() -> None:
    """A task outside the scope has no root, and neither has None."""
    with FakeRun() as run:
        outside = asyncio.create_task(run.wait())
        inside = run.create(run.wait())  # by this test's task, which is in no scope
        assert run.scope.root(outside) is None
        assert run.scope.root(None) is None
        assert run.scope.root(inside) is None
        await run.end(outside, inside)


# -- tool calls ---------------------------------------------------------------------------------


async def test_what_a_tool_call_starts_is_observed() -> None:
    """The observer learns of each task that the task of a tool call starts."""
    with FakeRun() as run:
        started: list[AnyTask] = []
        handler = run.create(run.handle_call(started))
        while len(started) < 3:  # noqa: ASYNC110 - a step of the loop for each
            await asyncio.sleep(0)
        call = started[1]
        assert run.children == [(call, "wait")]
        await run.end(handler, *started)


async def test_what_a_handler_starts_is_no_child_of_a_call() -> None:
    """The observer gets only the tasks that a call starts as its children."""
    with FakeRun() as run:
        started: list[AnyTask] = []
        handler = run.create(run.handle(started))
        await asyncio.sleep(0)
        assert run.children == []
        await run.end(handler, *started)


async def test_calls_and_selections_are_at_work() -> None:
    """A stop has to end them, like all that a handler has started."""
    with FakeRun() as run:
        started: list[AnyTask] = []
        call, selection = run.create(run.call(started)), run.create(run.select())
        await asyncio.sleep(0)
        assert set(run.scope.at_work()) == {call, selection, *started}
        assert run.scope.alive(CALL) == [call]
        assert run.scope.alive(SELECTION) == [selection]
        await run.end(call, selection, *started)
