"""What comes to the gate beside the turns of its run: from an unknown task, or after the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock

from supervisor import Run, Supervisor
from supervisor._autogen.checkpoints.calls.gate import ToolGate
from supervisor._autogen.history.team_run import Turn
from supervisor._checkpoints.store import CallRecord
from supervisor.errors import LeaseLost
from supervisor.testing import ScriptedAgent, ScriptedModel, calls
from tests.agents import Deaf, team
from tests.unit.autogen.checkpoints.executors import Noting
from tests.unit.autogen.checkpoints.gated import NotedRun, gated
from tests.unit.autogen.checks import contents

pytestmark = pytest.mark.one_loop


async def _from_callback(coro: Coroutine[Any, Any, str]) -> str:
    """Await a coroutine in a task that no other task has created."""
    loop = asyncio.get_running_loop()
    made: asyncio.Future[asyncio.Task[str]] = loop.create_future()
    loop.call_soon(lambda: made.set_result(loop.create_task(coro)))
    return await (await made)


class Coder(ScriptedAgent):
    """Has code executed in its own way.

    Args:
        order: What the code's execution is added to.
        turn: What its turn consists of.
    """

    def __init__(self, order: list[str], turn: Callable[[Coder], Coroutine[Any, Any, str]]) -> None:
        super().__init__("coder", self._say)
        self.executor = Noting(order)
        self.background: asyncio.Task[str] | None = None
        self.is_waiting = asyncio.Event()
        self._what = turn

    async def _say(self, *_: object) -> str:
        return await self._what(self)

    async def execute(self) -> str:
        """Execute some code."""
        blocks = [CodeBlock(code="1", language="python")]
        return (await self.executor.execute_code_blocks(blocks, CancellationToken())).output


async def _in_callback(coder: Coder) -> str:
    return await _from_callback(coder.execute())


async def _after_cancellation(coder: Coder) -> str:
    coder.is_waiting.set()
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return await coder.execute()


async def _stopped(noted: NotedRun, coder: Coder, is_there: asyncio.Event) -> list[str]:
    """Return what is said where a run is stopped at that moment."""
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(coder, turns=1), "go")
        gated(run, noted)
        reading = asyncio.ensure_future(run)
        await is_there.wait()
        run.stop("enough")
        result = await reading
    return contents(result)


async def test_code_of_an_unknown_task_is_recorded_without_a_turn() -> None:
    """It waits for its record like other code; whose it is is not known."""
    noted = NotedRun()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Coder(noted.order, _in_callback), turns=1), "go")
        gated(run, noted)
        assert contents(await run) == ["go", "42"]
    assert noted.order == ["begun Noting", "durable", "called python", "ended"]
    assert [record.agent for record in noted.records] == [""]


async def test_code_of_an_unknown_task_is_taken_back_by_a_stop() -> None:
    """Where it waits at the gate it has not begun, and its record goes."""
    noted = NotedRun(writes=False)
    coder = Coder(noted.order, _in_callback)
    assert await _stopped(noted, coder, noted.is_asked) == ["go"]
    assert noted.dropped == [record.id for record in noted.records]
    assert not coder.executor.seen


async def test_nothing_begins_after_a_stop() -> None:
    """An agent that goes on although it is cancelled has no code executed, and none recorded."""
    noted = NotedRun()
    coder = Coder(noted.order, _after_cancellation)
    assert await _stopped(noted, coder, coder.is_waiting) == ["go"]
    assert not noted.records
    assert not coder.executor.seen


@pytest.mark.parametrize("is_stopped", [True, False])
async def test_code_that_waits_for_a_lost_store_does_not_outlive_its_run(
    *, is_stopped: bool
) -> None:
    """A task that outlives its turn, and its run, ends where its code may never begin."""
    noted = NotedRun(writes=False)

    async def start(coder: Coder) -> str:
        coder.background = asyncio.create_task(coder.execute())
        await noted.is_asked.wait()
        return "started"

    coder = Coder(noted.order, start)
    members = [coder, Deaf()] if is_stopped else [coder]
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(*members, turns=len(members)), "go")
        gated(run, noted)
        async for event in run:
            if is_stopped and isinstance(event, TextMessage) and event.content == "started":
                run.stop("enough")
        background = coder.background
        assert background is not None
        assert not background.done()
        noted.answer(LeaseLost("r"))
        async with asyncio.timeout(10):
            await asyncio.wait([background])
        assert background.cancelled()
    assert not coder.executor.seen


# -- tools and users -------------------------------------------------------------------------------


class Odd(AssistantAgent):
    """An agent whose tools answer nothing."""

    @classmethod
    async def _execute_tool_call(cls, *_: Any, **__: Any) -> Any:
        return None


async def test_an_answer_that_is_no_result_leaves_its_call_open() -> None:
    """The run fails as it does without a gate: nothing is made up for the record."""
    noted = NotedRun()
    errors: list[str] = []
    for is_gated in (False, True):
        agent = Odd("odd", ScriptedModel([calls("_look")]), tools=[_look])
        async with Supervisor(signals={}) as sup:
            run = sup.stream(agent, "go")
            if is_gated:
                gated(run, noted)
            with pytest.raises(TypeError) as raised:
                await run
            errors.append(str(raised.value))
    assert errors[0] == errors[1]
    assert [record.tool for record in noted.records] == ["_look"]
    assert not noted.results


async def _look() -> str:
    """Look."""
    raise AssertionError("it is not called")


class Relay(ScriptedAgent):
    """Asks the user in a task that no other task has created."""

    def __init__(self) -> None:
        super().__init__("relay", self._ask)
        self.user = UserProxyAgent("user1", input_func=_refuse)

    async def _ask(self, heard: Any, token: CancellationToken) -> str:
        async def ask() -> str:
            return (await self.user.on_messages(heard, token)).chat_message.to_text()

        return await _from_callback(ask())


def _refuse(_prompt: str) -> str:
    raise AssertionError("the user has answered before")


async def test_an_answer_is_given_back_to_an_unknown_task() -> None:
    """The user is not asked again; the answer stays with its run, for no turn has it."""
    noted, relay, gates = NotedRun(), Relay(), list[ToolGate]()
    record = CallRecord(
        id="user1:1f:",
        kind="input",
        turn=1,
        agent="user1",
        tool="input",
        arguments='"?"',
        fence=3,
        result='"yes"',
    )

    def recall(gate: ToolGate) -> None:
        gate.recall(Turn(relay), [record])
        gates.append(gate)

    async with Supervisor(signals={}) as sup:
        run: Run = sup.stream(team(relay, turns=1), "go")
        gated(run, noted, recall=recall)
        assert contents(await run) == ["go", "yes"]
    assert [found for _, found in gates[0].unclaimed()] == [record]
    assert not noted.records
