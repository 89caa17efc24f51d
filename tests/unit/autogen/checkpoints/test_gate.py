"""No tool of a run that is kept starts before its call is durable."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.messages import TextMessage, ToolCallExecutionEvent
from autogen_agentchat.tools import AgentTool
from autogen_core import CancellationToken, FunctionCall
from autogen_core.tools import BaseStreamTool, FunctionTool, StaticStreamWorkbench
from pydantic import BaseModel

from supervisor import Supervisor, current_call
from supervisor._autogen.checkpoints.calls.call_records import call_id_of
from supervisor.errors import LeaseLost, StoreUnavailable
from supervisor.testing import ScriptedModel, calls
from supervisor.types import ToolCall
from tests.agents import FOREVER, Gate, scripted, team
from tests.unit.autogen.checkpoints.gated import NotedRun, gated
from tests.unit.autogen.checks import adapter_in, contents


class Tools:
    """Tools that note the calls by which they are called.

    Args:
        noted: The run, among whose order a call is noted.
    """

    def __init__(self, noted: NotedRun) -> None:
        self._run = noted
        self.seen: list[ToolCall | None] = []

    def _note(self, name: str) -> None:
        self._run.order.append(f"called {name}")
        self.seen.append(current_call())

    async def pay(self, amount: int = 1) -> str:
        """Pay."""
        self._note("pay")
        return f"paid {amount}"

    async def look(self) -> str:
        """Look."""
        self._note("look")
        return "seen"

    def count(self) -> str:
        """Count, in a thread."""
        self._note("count")
        return "counted"

    async def fail(self) -> str:
        """Fail."""
        self._note("fail")
        raise ValueError("no")


async def _run(noted: NotedRun, *members: AssistantAgent) -> None:
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(*members, turns=len(members)), "go")
        gated(run, noted)
        await run


async def test_a_call_is_durable_before_its_tool_starts_and_its_result_comes_after() -> None:
    """First the record, then the store's answer, then the tool, then its result."""
    noted = NotedRun()
    tools = Tools(noted)
    await _run(noted, scripted("ann", [calls(("pay", {"amount": 5}))], tools.pay))
    assert noted.order == ["begun pay", "durable", "called pay", "ended"]
    [record] = noted.records
    assert (record.kind, record.turn, record.agent, record.tool) == ("tool", 3, "ann", "pay")
    assert json.loads(record.arguments) == {"amount": 5}
    assert record.fence == 7
    assert json.loads(noted.results[record.id]) == {"content": "paid 5", "is_error": False}


async def test_parallel_calls_are_one_commit() -> None:
    """All calls of one request are written at once, and none starts before."""
    noted = NotedRun()
    tools = Tools(noted)
    await _run(noted, scripted("ann", [calls("pay", "look", "pay")], tools.pay, tools.look))
    assert noted.order[:2] == ["begun pay look pay", "durable"]
    assert len({record.id for record in noted.records}) == len(noted.results) == 3


async def test_a_tool_knows_its_call() -> None:
    """`current_call()` has the name, the arguments, the model's id, the agent, key and fence."""
    noted = NotedRun()
    tools = Tools(noted)
    model = ScriptedModel([[FunctionCall(id="c1", name="pay", arguments='{"amount": 2}')]])
    await _run(noted, AssistantAgent("ann", model, tools=[tools.pay]))
    [call] = tools.seen
    assert call is not None
    assert (call.agent, call.name, call.arguments) == ("ann", "pay", '{"amount": 2}')
    assert (call.call_id, call.fence) == ("c1", 7)
    assert len(call.idempotency_key) == 32
    assert current_call() is None


async def test_a_tool_that_is_no_coroutine_knows_its_call_too() -> None:
    """AutoGen runs it in a thread, where the call is known as well."""
    noted = NotedRun()
    tools = Tools(noted)
    await _run(noted, scripted("ann", [calls("count", "pay")], tools.count, tools.pay))
    assert {call.name for call in tools.seen if call is not None} == {"count", "pay"}


async def test_without_a_gate_no_call_is_known() -> None:
    """In a run that is not kept, no key would be stable; there is none."""
    tools = Tools(NotedRun())
    async with Supervisor(signals={}) as sup:
        await sup.stream(scripted("ann", [calls("pay", "count")], tools.pay, tools.count), "go")
    assert tools.seen == [None, None]


async def test_a_run_within_a_tool_does_not_have_the_call_of_that_tool() -> None:
    """What another run's tools would tell their receivers is not theirs."""
    noted = NotedRun()
    inner = Tools(noted)

    async def start() -> str:
        async with Supervisor(signals={}) as sup:
            await sup.stream(scripted("bob", [calls("look")], inner.look), "go")
        return "done"

    await _run(noted, scripted("ann", [calls("start")], start))
    assert inner.seen == [None]


@pytest.mark.parametrize("names", [["ann", "ann"], ["ann", "bob"]], ids=" ".join)
async def test_the_same_id_is_another_call(names: list[str]) -> None:
    """Two agents that use the same id, or one that uses it twice, have records and keys apart."""
    noted = NotedRun()
    tools = Tools(noted)
    wanted = [FunctionCall(id="call_0", name="pay", arguments="{}")]
    agents = {
        name: AssistantAgent(name, ScriptedModel([wanted, wanted]), tools=[tools.pay])
        for name in names
    }
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(*agents.values(), turns=2), "go")
        gated(run, noted)
        await run
    assert [record.agent for record in noted.records] == names
    assert {call_id_of(record) for record in noted.records} == {"call_0"}
    assert len({record.id for record in noted.records}) == 2
    assert len({call.idempotency_key for call in tools.seen if call is not None}) == 2


async def test_a_loop_of_tool_calls_has_a_commit_for_each_request() -> None:
    """Each request of `max_tool_iterations` passes the gate anew."""
    noted = NotedRun()
    tools = Tools(noted)
    model = ScriptedModel([calls("pay"), calls("look", "pay"), "Done."])
    ann = AssistantAgent("ann", model, tools=[tools.pay, tools.look], max_tool_iterations=3)
    await _run(noted, ann)
    assert [[record.tool for record in commit] for commit in noted.commits] == [
        ["pay"],
        ["look", "pay"],
    ]
    assert len(noted.results) == 3


async def test_a_handoff_is_not_recorded() -> None:
    """It does nothing by itself; the tool beside it is recorded."""
    noted = NotedRun()
    tools = Tools(noted)
    model = ScriptedModel([calls("transfer_to_bob", "pay")])
    ann = AssistantAgent("ann", model, tools=[tools.pay], handoffs=[Handoff(target="bob")])
    await _run(noted, ann)
    assert [record.tool for record in noted.records] == ["pay"]


async def test_a_tool_that_raises_has_a_result() -> None:
    """The model is told of the error, and that is what is recorded."""
    noted = NotedRun()
    await _run(noted, scripted("ann", [calls("fail")], Tools(noted).fail))
    assert json.loads(*noted.results.values()) == {"content": "no", "is_error": True}


class _Nothing(BaseModel):
    pass


class _Slow(BaseStreamTool[_Nothing, TextMessage, TextMessage]):
    def __init__(self, note: Callable[[], Any]) -> None:
        super().__init__(_Nothing, TextMessage, "slow", "It streams.")
        self._note = note

    async def run(self, args: _Nothing, cancellation_token: CancellationToken) -> TextMessage:
        raise AssertionError("it is streamed")

    async def run_stream(
        self, args: _Nothing, cancellation_token: CancellationToken
    ) -> AsyncGenerator[TextMessage, None]:
        self._note()
        yield TextMessage(content="half", source="slow")
        yield TextMessage(content="whole", source="slow")

    def return_value_as_string(self, value: Any) -> str:
        return str(value.content)


async def test_a_tool_that_streams_passes_the_gate() -> None:
    """Its call is durable before its first event, and its result is the last."""
    noted = NotedRun()
    bench = StaticStreamWorkbench([_Slow(lambda: noted.order.append("called slow"))])
    await _run(noted, AssistantAgent("ann", ScriptedModel([calls("slow")]), workbench=bench))
    assert noted.order == ["begun slow", "durable", "called slow", "ended"]
    assert json.loads(*noted.results.values())["content"] == "whole"


async def test_the_tools_of_an_agent_within_a_tool_are_recorded_too() -> None:
    """Each has a record and a key of its own, by the name of the agent that makes it."""
    noted = NotedRun()
    tools = Tools(noted)
    inner = scripted("bob", [calls("look")], tools.look)
    model = ScriptedModel([calls(("bob", {"task": "look"}))])
    await _run(noted, AssistantAgent("ann", model, tools=[AgentTool(inner)]))
    assert [(record.agent, record.tool) for record in noted.records] == [
        ("ann", "bob"),
        ("bob", "look"),
    ]
    assert len(noted.results) == 2


async def test_a_call_that_is_cancelled_at_the_gate_has_not_begun() -> None:
    """Its record goes, its turn is undone, and the tool is not called."""
    noted = NotedRun(writes=False)
    tools = Tools(noted)
    ann = scripted("ann", [calls("pay", "look")], tools.pay, tools.look)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(ann, turns=1), "go")
        gated(run, noted)
        reading = asyncio.ensure_future(run)
        await noted.is_asked.wait()
        run.stop("enough")
        result = await reading
    assert sorted(noted.dropped) == sorted(record.id for record in noted.records)
    assert not tools.seen
    assert contents(result) == ["go"]
    assert not await ann.model_context.get_messages()


async def test_a_call_that_is_cancelled_in_its_tool_stays_open() -> None:
    """It may have taken effect: the record stays, without a result."""
    noted, wait = NotedRun(), Gate()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(scripted("ann", [calls("wait")], wait.wait), turns=1), "go")
        gated(run, noted)
        reading = asyncio.ensure_future(run)
        await wait.is_entered.wait()
        run.stop("enough")
        result = await reading
    assert len(noted.records) == 1
    assert not noted.results
    assert not noted.dropped
    [event] = [event for event in result.messages if isinstance(event, ToolCallExecutionEvent)]
    assert "Interrupted" in event.content[0].content


async def test_a_result_that_comes_while_its_run_stops_is_recorded() -> None:
    """A tool that answers its cancellation has answered."""
    noted = NotedRun()
    entered = asyncio.Event()

    async def answer() -> str:
        entered.set()
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            return "half done"
        return "done"

    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(scripted("ann", [calls("answer")], answer), turns=1), "go")
        gated(run, noted)
        reading = asyncio.ensure_future(run)
        await entered.wait()
        run.stop("enough")
        await reading
    assert len(noted.records) == 1
    assert not noted.dropped


async def test_while_the_store_does_not_answer_the_tool_waits() -> None:
    """It starts once the store has answered."""
    noted = NotedRun(writes=False)
    tools = Tools(noted)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(scripted("ann", [calls("pay")], tools.pay), "go")
        gated(run, noted)
        reading = asyncio.ensure_future(run)
        await noted.is_asked.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not tools.seen
        noted.answer()
        await reading
    assert len(tools.seen) == 1


@pytest.mark.parametrize(
    "error", [StoreUnavailable("sqlite:///runs.db", "gone"), LeaseLost("r")], ids=repr
)
@pytest.mark.parametrize("is_team", [True, False])
async def test_a_store_that_is_gone_ends_the_run_in_order(
    error: BaseException, caplog: pytest.LogCaptureFixture, *, is_team: bool
) -> None:
    """The run raises the very error, once, and no tool of the request has started."""
    noted = NotedRun(writes=False)
    tools = Tools(noted)
    ann = scripted("ann", [calls("pay", "look")], tools.pay, tools.look)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(ann, turns=1) if is_team else ann, "go")
        gated(run, noted)
        reading = asyncio.ensure_future(run)
        await noted.is_asked.wait()
        noted.answer(error)
        with pytest.raises(type(error)):
            await reading
    assert run.error is error
    # On a slow machine asyncio tells which step took long.
    assert [text for text in caplog.messages if not text.startswith("Executing <")] == []
    assert not tools.seen
    assert len(noted.dropped) == 2


async def test_a_process_whose_lease_has_run_out_starts_no_tool() -> None:
    """Also where its call was written in time."""
    noted = NotedRun()
    noted.may_act = False
    tools = Tools(noted)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(scripted("ann", [calls("pay")], tools.pay), turns=1), "go")
        gated(run, noted)
        with pytest.raises(LeaseLost):
            await run
    assert not tools.seen


async def test_a_turn_notes_the_records_of_its_calls() -> None:
    """They are known by the time at which the run's state is asked for."""
    noted = NotedRun()
    seen: list[list[str]] = []
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(scripted("ann", [calls("pay")], Tools(noted).pay), turns=1), "go")
        adapter = adapter_in(run)
        snapshot = noted.snapshot

        def look() -> Any:
            root = adapter.context.journal.root
            assert root is not None
            seen.extend(list(turn.records) for turn in root.turns.values())
            return snapshot()

        noted.snapshot = look  # type: ignore[method-assign]
        gated(run, noted)
        await run
    assert seen == [[record.id for record in noted.records]]


async def test_a_function_tool_keeps_its_own_way() -> None:
    """Nothing of a tool or an agent is replaced meanwhile."""
    noted = NotedRun()
    seen: list[bool] = []

    async def look() -> str:
        seen.append("run_json" not in vars(tool) and "run" not in vars(tool))
        return "seen"

    tool = FunctionTool(look, "It looks.")
    await _run(noted, AssistantAgent("ann", ScriptedModel([calls("look")]), tools=[tool]))
    assert seen == [True]
