"""One contract test for each private name of AutoGen that `supervisor.autogen.private` uses."""

from __future__ import annotations

import ast
import asyncio
import importlib
import importlib.util
import inspect
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._sequential_routed_agent import (
    FIFOLock,
    SequentialRoutedAgent,
)
from autogen_core import SingleThreadedAgentRuntime, _single_threaded_agent_runtime
from autogen_core._single_threaded_agent_runtime import RunContext

from supervisor.autogen.private import HANDLER_ERROR, Engine, free, kind_of
from supervisor.tasks import Kind
from tests.agents import Agent, BreaksOnCancel, Failing, Stubborn, team


@asynccontextmanager
async def _at_work() -> AsyncGenerator[
    tuple[RoundRobinGroupChat, SingleThreadedAgentRuntime], None
]:
    """A team whose second member is at work, by AutoGen alone; let go at the end."""
    stubborn = Stubborn()
    group = team(Agent("first"), stubborn, turns=2)
    running = asyncio.create_task(group.run(task="go"))
    await stubborn.is_working.wait()
    runtime = group._runtime
    assert isinstance(runtime, SingleThreadedAgentRuntime)
    try:
        yield group, runtime
    finally:
        stubborn.let_go.set()
        await running


def _manager(runtime: SingleThreadedAgentRuntime) -> BaseGroupChatManager:
    agents = runtime._instantiated_agents.values()
    return next(agent for agent in agents if isinstance(agent, BaseGroupChatManager))


def _code(task: asyncio.Task[Any]) -> CodeType:
    coro: Any = task.get_coro()
    code: CodeType = coro.cr_code
    return code


async def test_process_publish_is_a_handlers_task() -> None:
    """`_process_publish` is the coroutine of the task in which an event is handled."""
    async with _at_work() as (_, runtime):
        codes = {_code(task) for task in runtime._background_tasks}
    assert SingleThreadedAgentRuntime._process_publish.__code__ in codes


@pytest.mark.parametrize("name", ["_process_send", "_process_response"])
def test_process_send_and_response_are_coroutines(name: str) -> None:
    """`_process_send` and `_process_response` are started as tasks of their own, like publish."""
    assert inspect.iscoroutinefunction(getattr(SingleThreadedAgentRuntime, name))
    assert f"create_task(self.{name}(" in inspect.getsource(SingleThreadedAgentRuntime)


async def test_background_tasks_are_the_handlers() -> None:
    """`_background_tasks` holds a task for each handler at work, and none when idle."""
    async with _at_work() as (_, runtime):
        assert len(runtime._background_tasks) == 1
        runtime_after = runtime
    assert not runtime_after._background_tasks


async def test_run_is_the_message_loop() -> None:
    """`RunContext._run` is the message loop; before its first step its frame knows `self`."""
    runtime = SingleThreadedAgentRuntime()
    context = RunContext(runtime)
    coro: Any = context._run_task.get_coro()
    assert coro.cr_code is RunContext._run.__code__
    assert coro.cr_frame.f_locals["self"] is context
    assert context._runtime is runtime
    await context.stop()


async def test_stopped_ends_the_message_loop() -> None:
    """With `_stopped` set and the queue shut, the message loop ends by itself."""
    runtime = SingleThreadedAgentRuntime()
    context = RunContext(runtime)
    await asyncio.sleep(0)
    context._stopped.set()
    runtime._message_queue.shutdown(immediate=True)  # type: ignore[attr-defined]
    await context._run_task


def test_run_stream_defines_stop_runtime() -> None:
    """The task that waits for the runtime is `stop_runtime`, defined inside `run_stream`."""
    codes = [c for c in BaseGroupChat.run_stream.__code__.co_consts if isinstance(c, CodeType)]
    stop = next(code for code in codes if code.co_name == "stop_runtime")
    assert "stop_when_idle" in stop.co_names


async def test_message_queue_counts_and_shuts() -> None:
    """The queue counts what is unfinished; shut at once it drops what waits, with exact counts."""
    queue: Any = SingleThreadedAgentRuntime()._message_queue
    queue.put_nowait("in work")
    queue.put_nowait("waiting")
    queue.get_nowait()
    queue.shutdown(immediate=True)
    assert queue._unfinished_tasks == 1
    queue.task_done()
    await queue.join()
    # AutoGen's own copy of the class before Python 3.13, asyncio's from there on.
    with pytest.raises(vars(_single_threaded_agent_runtime)["QueueShutDown"]):
        queue.put_nowait("late")


async def test_background_exception_is_raised_by_the_next_message_loop() -> None:
    """`_background_exception` outlives its run, and is raised by the next one's loop."""
    runtime = SingleThreadedAgentRuntime()
    runtime._background_exception = ValueError("of the last run")
    runtime.start()
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="of the last run"):
        await runtime.stop()


async def test_instantiated_agents_holds_the_manager() -> None:
    """`_instantiated_agents` holds the team's manager and its members' containers."""
    async with _at_work() as (_, runtime):
        kinds = [type(agent) for agent in runtime._instantiated_agents.values()]
    assert sum(issubclass(kind, BaseGroupChatManager) for kind in kinds) == 1
    assert sum(issubclass(kind, SequentialRoutedAgent) for kind in kinds) == 3


async def test_fifo_lock_of_each_routed_agent() -> None:
    """Each container has a `_fifo_lock`, and a waiter that was cancelled poisons it."""
    async with _at_work() as (_, runtime):
        for agent in runtime._instantiated_agents.values():
            assert isinstance(agent, SequentialRoutedAgent)
            assert isinstance(agent._fifo_lock, FIFOLock)
    lock = FIFOLock()
    await lock.acquire()
    waiter = asyncio.create_task(lock.acquire())
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.wait([waiter])
    lock.release()
    assert lock._locked, "fixed upstream: the lock need not be replaced any more"


async def test_active_speakers_and_current_turn() -> None:
    """`_active_speakers` names whose turn it is, `_current_turn` counts the turns before it."""
    async with _at_work() as (_, runtime):
        manager = _manager(runtime)
        assert manager._active_speakers == ["stubborn"]
        assert manager._current_turn == 1
        after = manager
    assert after._active_speakers == []
    assert after._current_turn == 0


async def test_termination_condition_is_the_teams() -> None:
    """The manager asks `_termination_condition`, the very object that the team was given."""
    async with _at_work() as (group, runtime):
        assert _manager(runtime)._termination_condition is group._termination_condition


def _graph() -> GraphFlow:
    return GraphFlow([Agent("a")], DiGraphBuilder().add_node(Agent("a")).build())


@pytest.mark.parametrize(
    ("make", "asks"),
    [
        (lambda: RoundRobinGroupChat([Agent("a")]), True),
        (lambda: SelectorGroupChat([Agent("a"), Agent("b")], BreaksOnCancel()), True),
        (_graph, True),
        (lambda: MagenticOneGroupChat([Agent("a")], BreaksOnCancel()), False),
    ],
    ids=["round robin", "selector", "graph", "magentic one"],
)
def test_handle_agent_response_is_the_turns_end(make: Callable[[], Any], asks: bool) -> None:
    """Managers share `handle_agent_response`, which asks the condition; MagenticOne's does not."""
    cls = make()._base_group_chat_manager_class
    shares = cls.handle_agent_response is BaseGroupChatManager.handle_agent_response
    assert shares is asks


def test_swarm_shares_the_turns_end() -> None:
    """Swarm's manager asks its condition after each turn, as the base does."""
    manager = importlib.import_module(Swarm.__module__).SwarmGroupChatManager
    assert manager.handle_agent_response is BaseGroupChatManager.handle_agent_response


async def test_is_running_marks_a_team_at_work() -> None:
    """`_is_running` refuses a second run; `free` takes the mark off."""
    async with _at_work() as (group, _):
        marks = [group._is_running]
    marks.append(group._is_running)
    assert marks == [True, False]
    group._is_running = True
    free(group)
    await group.run(task="go")


async def test_a_failed_handler_is_logged_in_these_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The runtime's record about a handler that raised begins with `HANDLER_ERROR`."""
    with caplog.at_level(logging.ERROR, "autogen_core"), pytest.raises(RuntimeError):
        await team(Failing()).run(task="go")
    assert any(record.getMessage().startswith(HANDLER_ERROR) for record in caplog.records)


def test_the_mcp_actor_is_run_actor_in_actor_py() -> None:
    """The task that owns an MCP session runs `_run_actor` of a module `_actor`."""
    spec = importlib.util.find_spec("autogen_ext")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0]) / "tools" / "mcp" / "_actor.py"
    tree = ast.parse(path.read_text())
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)}
    assert "_run_actor" in names


async def test_kinds() -> None:
    """Each coroutine of AutoGen's that matters is known for what it does; others are work."""

    async def work() -> None:
        """Of the user's."""

    async def _run_actor() -> None:
        """The user's as well, in spite of its name."""

    runtime: Any = SingleThreadedAgentRuntime()
    expected = {
        runtime._process_send(None): Kind.HANDLER,
        runtime._process_publish(None): Kind.HANDLER,
        runtime._process_response(None): Kind.HANDLER,
        work(): Kind.WORK,
        _run_actor(): Kind.WORK,
    }
    for coro, kind in expected.items():
        assert kind_of(coro) is kind
        coro.close()
