"""Open calls of idempotent tools are made again before the run goes on."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.tools import AgentTool
from autogen_core import FunctionCall
from autogen_core.models import AssistantMessage, FunctionExecutionResultMessage, UserMessage
from autogen_core.tools import FunctionTool, StaticWorkbench, ToolOverride, ToolSchema

from supervisor import Supervisor, current_call
from supervisor._autogen.checkpoints.calls.gate import ToolGate
from supervisor._autogen.checkpoints.calls.recalled import OPEN_CALL
from supervisor._autogen.history.team_repair import TurnRepair
from supervisor._autogen.history.team_run import Turn
from supervisor._checkpoints.store import CallRecord
from supervisor.errors import LeaseLost
from supervisor.testing import ScriptedModel
from supervisor.types import ToolCall
from tests.agents import Gate, scripted, team
from tests.unit.autogen.checkpoints.gated import NotedRun, gated


class Search:
    """A tool that notes its calls."""

    def __init__(self) -> None:
        self.seen: list[ToolCall | None] = []

    async def search(self, word: str = "") -> str:
        """Search."""
        self.seen.append(current_call())
        return f"found {word}"


class _Interrupted:
    """An agent whose open call was recorded by a process that has died.

    Args:
        agent: The agent.
        name: The tool that it has called.
        result: The recorded result; None where it is open.
    """

    def __init__(
        self, agent: AssistantAgent, name: str = "search", result: str | None = None
    ) -> None:
        self.agent = agent
        self._name = name
        self._arguments = "{}" if name == "wait" else '{"word": "x", "task": "x"}'
        self.record = CallRecord(
            id="ann:1f:c1",
            kind="tool",
            turn=1,
            agent="ann",
            tool=name,
            arguments=self._arguments,
            fence=3,
            result=result,
        )

    async def go_on(self, noted: NotedRun, names: frozenset[str] = frozenset()) -> str:
        """Go on with its run; return the result that its model reads."""
        await self.remember()
        async with Supervisor(signals={}) as sup:
            run = sup.stream(team(self.agent, turns=1), None)
            gated(run, noted, names, self.recall)
            await run
        return await self.read()

    async def remember(self) -> None:
        """Let the agent remember its turn up to the call."""
        self._turn = Turn(self.agent)
        call = FunctionCall(id="c1", name=self._name, arguments=self._arguments)
        context = self.agent.model_context
        await context.add_message(UserMessage(content="go", source="user"))
        await context.add_message(AssistantMessage(content=[call], source="ann"))

    def recall(self, gate: ToolGate) -> None:
        """Let the turn have what was recorded in it, and repair it."""
        gate.recall(self._turn, [self.record])
        TurnRepair(self._turn).keep()

    async def read(self) -> str:
        """Return the result that its model reads."""
        messages = await self.agent.model_context.get_messages()
        found = [m for m in messages if isinstance(m, FunctionExecutionResultMessage)]
        assert len(found) == 1
        return found[0].content[0].content


def _ann(*tools: Any) -> AssistantAgent:
    return AssistantAgent("ann", ScriptedModel(lambda _: "Done."), tools=list(tools))


async def test_a_call_whose_tool_is_named_is_made_again_with_its_id_and_key() -> None:
    """Its result takes the place of "Interrupted", and is recorded under the same record."""
    noted, tool = NotedRun(), Search()
    interrupted = _Interrupted(_ann(tool.search))
    assert await interrupted.go_on(noted, frozenset({"search"})) == "found x"
    [call] = tool.seen
    assert call is not None
    assert (call.agent, call.name, call.call_id, call.fence) == ("ann", "search", "c1", 7)
    assert json.loads(noted.results[interrupted.record.id])["content"] == "found x"
    assert noted.records == [], "it is no new call"


async def test_the_key_is_the_same_at_each_attempt() -> None:
    """Also under another owner of the run, who has another fence."""
    noted, tool = NotedRun(), Search()
    for fence in (7, 8):
        noted.fence = fence
        await _Interrupted(_ann(tool.search)).go_on(noted, frozenset({"search"}))
    first, second = tool.seen
    assert first is not None
    assert second == replace(first, fence=8)


async def test_a_call_whose_tool_is_not_named_is_closed() -> None:
    """It may have taken effect, and is not made again."""
    tool = Search()
    assert await _Interrupted(_ann(tool.search)).go_on(NotedRun()) == OPEN_CALL
    assert tool.seen == []


async def test_a_recorded_result_is_not_asked_for_again() -> None:
    """The tool has answered already, though it is idempotent."""
    tool = Search()
    result = json.dumps({"content": "found before", "is_error": False})
    interrupted = _Interrupted(_ann(tool.search), result=result)
    assert await interrupted.go_on(NotedRun(), frozenset({"search"})) == "found before"
    assert tool.seen == []


def _marked_function(tool: Search) -> Any:
    async def search(word: str) -> str:
        return await tool.search(word)

    search.idempotent = True  # type: ignore[attr-defined]
    return search


def _marked_tool(tool: Search) -> Any:
    made = FunctionTool(tool.search, "It searches.")
    made.idempotent = True  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize("mark", [_marked_function, _marked_tool])
async def test_a_tool_can_be_marked_itself(mark: Any) -> None:
    """By an attribute of the tool, or of the function that it is made of."""
    tool = Search()
    assert await _Interrupted(_ann(mark(tool))).go_on(NotedRun()) == "found x"
    assert len(tool.seen) == 1


async def test_a_marked_tool_is_known_by_the_name_that_its_workbench_gives_it() -> None:
    """A workbench may call it otherwise."""
    tool = Search()
    bench = StaticWorkbench(
        [_marked_tool(tool)], tool_overrides={"search": ToolOverride(name="find")}
    )
    ann = AssistantAgent("ann", ScriptedModel(lambda _: "Done."), workbench=bench)
    assert await _Interrupted(ann, "find").go_on(NotedRun()) == "found x"
    assert len(tool.seen) == 1


async def test_a_tool_that_is_not_there_any_more_leaves_its_call_closed() -> None:
    """A deploy may have taken it away."""
    interrupted = _Interrupted(_ann())
    assert await interrupted.go_on(NotedRun(), frozenset({"search"})) == OPEN_CALL


class _Gone(StaticWorkbench):
    """A workbench whose server is gone."""

    async def list_tools(self) -> list[ToolSchema]:
        raise ConnectionError("no server")


async def test_a_workbench_that_cannot_be_asked_fails_the_run() -> None:
    """The call stays open, for whoever goes on once the server is there again."""
    noted, tool = NotedRun(), Search()
    bench = _Gone([_marked_tool(tool)])
    ann = AssistantAgent("ann", ScriptedModel(lambda _: "Done."), workbench=bench)
    interrupted = _Interrupted(ann)
    with pytest.raises(ConnectionError, match="no server"):
        await interrupted.go_on(noted)
    assert await interrupted.read() == OPEN_CALL
    assert not noted.results


async def test_an_error_of_the_tool_is_its_result() -> None:
    """As when it is called the first time."""
    noted = NotedRun()

    async def search(word: str) -> str:
        raise ValueError(f"no {word}")

    interrupted = _Interrupted(_ann(search))
    assert await interrupted.go_on(noted, frozenset({"search"})) == "no x"
    assert json.loads(*noted.results.values()) == {"content": "no x", "is_error": True}


async def test_a_process_whose_lease_has_run_out_makes_no_call_again() -> None:
    """The run fails instead."""
    noted, tool = NotedRun(), Search()
    noted.may_act = False
    with pytest.raises(LeaseLost):
        await _Interrupted(_ann(tool.search)).go_on(noted, frozenset({"search"}))
    assert tool.seen == []


async def test_a_stop_ends_a_call_that_is_made_again() -> None:
    """It stays open, to be made again by whoever goes on next."""
    noted, gate = NotedRun(), Gate()
    interrupted = _Interrupted(_ann(gate.wait), "wait")
    await interrupted.remember()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(interrupted.agent, turns=1), None)
        gated(run, noted, frozenset({"wait"}), interrupted.recall)
        reading = asyncio.ensure_future(run)
        await gate.is_entered.wait()
        run.stop("enough")
        await reading
    assert gate.cancelled == 1
    assert noted.results == {}
    assert await interrupted.read() == OPEN_CALL


async def test_what_an_agent_calls_within_a_call_made_again_is_part_of_it() -> None:
    """It has no record of its own: the outer call is made again as a whole."""
    noted, tool = NotedRun(), Search()
    wanted = [FunctionCall(id="c1", name="search", arguments="{}")]
    inner = scripted("bob", [wanted], tool.search)
    interrupted = _Interrupted(_ann(AgentTool(inner)), "bob")
    await interrupted.go_on(noted, frozenset({"bob"}))
    assert noted.records == []
    assert [call.name for call in tool.seen if call is not None] == ["bob"]
