"""What a run learns of its tasks where something is out of the ordinary."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseChatMessage
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock
from autogen_ext.code_executors.local import LocalCommandLineCodeExecutor

from supervisor import Run, Supervisor
from supervisor._autogen.run_context import RunContext
from supervisor.testing import ScriptedAgent, ScriptedModel, calls
from tests.agents import Agent
from tests.unit.autogen.checks import assert_all_put_back, contents
from tests.unit.autogen.stops import REASON, Moment, go_on, stopped
from tests.unit.autogen.test_shared_runtimes import started
from tests.unit.testing.teams import round_robin


async def _answer() -> str:
    """Answer."""
    return "fine"


async def _around(coro: Coroutine[Any, Any, Any]) -> Any:
    return await coro


def _make(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    task = asyncio.Task(_around(coro), loop=loop, **options)
    task.add_done_callback(lambda _: coro.close())  # which was cancelled before it began, perhaps
    return task


async def test_calls_in_a_program_that_makes_its_own_tasks() -> None:
    """A run follows the calls of tools by AutoGen's coroutines."""
    ann = AssistantAgent("ann", ScriptedModel([calls("_answer"), "done"]), tools=[_answer])
    loop = asyncio.get_running_loop()
    loop.set_task_factory(_make)
    try:
        result = await go_on(round_robin(ann, turns=1), "go")
    finally:
        loop.set_task_factory(None)
    assert contents(result)[-1] == "fine"


def test_a_tool_that_ends_the_program_while_its_loop_goes_on() -> None:
    """`SystemExit` leaves the loop, as without us; the run can still be ended there.

    A notebook's kernel runs its loop again.
    """
    runs = list[Run]()

    async def leave() -> str:
        """Leave."""
        raise SystemExit(3)

    async def main() -> TaskResult:
        ann = AssistantAgent("ann", ScriptedModel([calls("leave"), "done"]), tools=[leave])
        async with Supervisor(signals={}) as sup:
            runs.append(sup.stream(round_robin(ann, turns=1), "go"))
            result: TaskResult = await runs[0]
        return result

    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    for _ in range(3):  # of the tool, of its call, and of what waits for all calls
        with pytest.raises(SystemExit):
            loop.run_until_complete(task)
    loop.run_until_complete(asyncio.sleep(0))
    runs[0].stop(REASON)
    assert loop.run_until_complete(task).stop_reason == REASON
    loop.close()


class _Unmoved(ScriptedAgent):
    """An agent that answers although it was cancelled."""

    def __init__(self, moment: Moment) -> None:
        super().__init__("ann", self._turn)
        self._moment = moment

    async def _turn(self, _heard: Sequence[BaseChatMessage], _token: CancellationToken) -> str:
        try:
            await self._moment.wait()
        except asyncio.CancelledError:
            return "all the same"
        return "done"


async def test_what_a_cancelled_agent_says_there_is_not_heard() -> None:
    """On a runtime of the user's the handlers of a late answer are cancelled as well."""
    moment = Moment()
    async with started() as runtime:
        team = round_robin(_Unmoved(moment), Agent("bob"), name="ours", runtime=runtime)
        assert contents(await stopped(team, moment)) == ["go"]
        assert contents(await go_on(team)) == ["done", "done"]
    assert_all_put_back()


@pytest.mark.filterwarnings("ignore:Using LocalCommandLineCodeExecutor")
async def test_a_program_that_cannot_be_started_is_none_that_runs(tmp_path: Path) -> None:
    """AutoGen's executor raises where an interpreter is missing, and the run goes on."""

    async def execute() -> str:
        """Execute code."""
        missing: Any = SimpleNamespace(env_exe=str(tmp_path / "python"), bin_path=str(tmp_path))
        executor = LocalCommandLineCodeExecutor(work_dir=tmp_path, virtual_env_context=missing)
        block = CodeBlock(code="1", language="python")
        try:
            await executor.execute_code_blocks([block], CancellationToken())
        except FileNotFoundError:
            return "not there"
        return "there"

    ann = AssistantAgent("ann", ScriptedModel([calls("execute"), "done"]), tools=[execute])
    assert contents(await go_on(round_robin(ann, turns=1), "go"))[-1] == "not there"


async def test_a_process_that_is_only_starting_is_none_that_runs() -> None:
    """It has no pid yet."""
    context = RunContext(None, lambda: None, lambda _: None)
    starting = asyncio.create_task(asyncio.Event().wait())
    context.starts.append(starting)
    assert context.executions() == []
    assert context.is_starting_process()
    starting.cancel()
    await asyncio.wait([starting])


@pytest.mark.parametrize("where", ["thread", "loop"])
async def test_a_token_that_is_cancelled_by_nobody_of_the_run(where: str) -> None:
    """A token can be cancelled from a thread; once the run is over, that changes nothing."""
    tokens = list[CancellationToken]()

    async def turn(_heard: Sequence[BaseChatMessage], token: CancellationToken) -> str:
        tokens.append(token)
        if where == "thread":
            await asyncio.to_thread(token.cancel)
            await asyncio.sleep(3600)
        return "done"

    async with Supervisor(signals={}) as sup:
        result = await sup.stream(round_robin(ScriptedAgent("ann", turn), turns=1), "go")
        tokens[0].cancel()
        assert sup.stop_request is None
    expected = "Its token was cancelled" if where == "thread" else "Maximum number of turns"
    assert expected in str(result.stop_reason)
    assert REASON not in str(result.stop_reason)


def test_a_token_of_a_caller_s_outlives_its_loop() -> None:
    """To cancel it later changes nothing."""
    token = CancellationToken()

    async def main() -> None:
        async with Supervisor(signals={}) as sup:
            await sup.stream(round_robin(Agent("ann"), turns=1), "go", cancellation_token=token)

    asyncio.run(main())
    token.cancel()
