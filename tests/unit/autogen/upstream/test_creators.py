"""Contract tests: which functions of AutoGen's create tasks."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest
from autogen_agentchat.teams import BaseGroupChat
from autogen_core import SingleThreadedAgentRuntime
from autogen_core._single_threaded_agent_runtime import RunContext

from supervisor._autogen.kinds import ENGINE
from supervisor._autogen.upstream.creators import refuse_replaced, starting_team
from supervisor._core.tasks import SHIELDED, WORK
from supervisor.errors import UsageError
from tests.agents import Agent, team
from tests.unit.autogen.upstream.parts import methods_in, tasks_created


async def test_a_run_context_starts_the_message_loop() -> None:
    """`RunContext` starts its message loop in `__init__`, and knows its runtime by then."""
    runtime = SingleThreadedAgentRuntime()
    with tasks_created() as created:
        context = RunContext(runtime)
    assert [made.kind for made in created] == [ENGINE]
    assert created[0].names["self"] is context
    assert created[0].coro is context._run_task.get_coro()
    assert context._runtime is runtime
    await context.stop()


async def test_run_stream_starts_one_task_that_waits_for_the_runtime() -> None:
    """`run_stream` creates one task, `stop_runtime`; the readers of its queue are futures."""
    with tasks_created() as created:
        await team(Agent("a"), turns=1).run(task="go")
    shielded = [made.coro.cr_code for made in created if made.kind is SHIELDED]
    assert [code.co_name for code in shielded] == ["stop_runtime"]
    assert "stop_when_idle" in shielded[0].co_names


def test_initialize_starts_the_actor_of_an_mcp_session() -> None:
    """The task that owns an MCP session is created by `initialize`, and runs `_run_actor`."""
    methods = methods_in("tools", "mcp", "_actor.py")
    assert "create_task(self._run_actor())" in methods["McpSessionActor.initialize"]
    assert "McpSessionActor._run_actor" in methods


@pytest.mark.parametrize("name", ["_setup_functions", "_execute_code_dont_check_setup"])
def test_the_local_executor_starts_its_process_in_a_task(name: str) -> None:
    """The local executor starts its process by `create_task(create_subprocess_exec(...))`."""
    methods = methods_in("code_executors", "local", "__init__.py")
    source = methods[f"LocalCommandLineCodeExecutor.{name}"]
    assert "create_task(asyncio.create_subprocess_exec(" in source
    assert source.count("create_task(") == 1


async def test_tasks_of_others_are_work() -> None:
    """A task that other code creates is work, whatever its coroutine is called."""
    runtime: Any = SingleThreadedAgentRuntime()

    async def _run_actor() -> None:
        """Do nothing; a user's function, in spite of its name."""

    with tasks_created() as created:
        own = asyncio.create_task(_run_actor())
        process = asyncio.create_task(asyncio.create_subprocess_exec("true"))
        handler = asyncio.create_task(runtime._process_publish(None))
    assert {made.kind for made in created} == {WORK}
    await own
    await (await process).wait()
    handler.cancel()


@pytest.mark.parametrize("way", ["run", "reset"])
async def test_starter_is_the_team_that_starts_its_runtime(way: str) -> None:
    """`run_stream` and `reset` call `SingleThreadedAgentRuntime.start` directly."""
    group = team(Agent("a"), turns=1)
    await group.run(task="go")
    with tasks_created() as created:
        await (group.run(task="go") if way == "run" else group.reset())
        other = SingleThreadedAgentRuntime()
        other.start()
        await other.stop()
    starters = [made.starter for made in created if made.kind is ENGINE]
    assert starters == [group, None]


async def test_functions_that_are_called_like_autogens_are_not_taken_for_them() -> None:
    """A function is AutoGen's by its module, too."""

    class Other:
        async def run_stream(self) -> object:
            await asyncio.create_task(asyncio.sleep(0))
            return starting_team()

    for method in vars(Other).values():
        if hasattr(method, "__code__"):
            method.__code__ = method.__code__.replace(co_qualname="BaseGroupChat.run_stream")
    with tasks_created() as created:
        assert await Other().run_stream() is None
    assert [made.kind for made in created] == [WORK]


def test_a_replacement_without_code_is_named_by_its_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what stands there, where it has no file and line."""
    monkeypatch.setattr(BaseGroupChat, "reset", functools.partial(print, "reset"))
    with pytest.raises(UsageError, match=r"reset was replaced by functools.partial\("):
        refuse_replaced()
