"""A turn that was interrupted in another process has what was recorded in it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from autogen_agentchat.agents import AssistantAgent, CodeExecutorAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.messages import CodeExecutionEvent
from autogen_agentchat.tools import AgentTool
from autogen_core import FunctionCall
from autogen_core.code_executor import CodeResult
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)

from supervisor._autogen.checkpoints.calls.recalled import (
    OPEN_CALL,
    OPEN_CODE,
    Recalled,
    code_text,
    result_text,
)
from supervisor._autogen.history.team_repair import TurnRepair
from supervisor._autogen.history.team_run import Turn
from supervisor._checkpoints.store import CallKind, CallRecord
from supervisor.testing import ScriptedAgent, ScriptedModel, check_transcript
from tests.unit.autogen.checkpoints.executors import Noting, executing


async def _pay() -> str:
    """Pay."""
    raise AssertionError("it is not called")


def _agent(name: str = "ann") -> AssistantAgent:
    handoffs: list[Handoff | str] = [Handoff(target="bob")]
    return AssistantAgent(name, ScriptedModel(["Done."]), tools=[_pay], handoffs=handoffs)


def _request(*ids: str, name: str = "_pay") -> AssistantMessage:
    wanted = [FunctionCall(id=id_, name=name, arguments="{}") for id_ in ids]
    return AssistantMessage(content=wanted, source="ann")


def _answered(*ids: str) -> FunctionExecutionResultMessage:
    results = [
        FunctionExecutionResult(content="paid", name="_pay", call_id=id_, is_error=False)
        for id_ in ids
    ]
    return FunctionExecutionResultMessage(content=results)


def _record(
    number: int,
    call_id: str,
    result: str | None = None,
    *,
    agent: str = "ann",
    tool: str = "_pay",
    kind: CallKind = "tool",
) -> CallRecord:
    return CallRecord(
        id=f"{agent}:{number:x}:{call_id}",
        kind=kind,
        turn=1,
        agent=agent,
        tool=tool,
        arguments="{}",
        fence=1,
        result=result,
    )


def _said(content: str) -> str:
    return json.dumps({"content": content, "is_error": False})


async def _recalled(
    agent: AssistantAgent | CodeExecutorAgent,
    messages: Sequence[LLMMessage],
    records: Sequence[CallRecord],
) -> TurnRepair:
    """Return the repair of a turn, in which the agent has got these messages."""
    turn = Turn(agent)
    for message in messages:
        await agent.model_context.add_message(message)
    Recalled().put(turn, records)
    return TurnRepair(turn)


async def _closed(
    messages: Sequence[LLMMessage],
    records: Sequence[CallRecord],
    *,
    is_strict: bool = True,
) -> list[tuple[str, str]]:
    """Return the results behind the last request, once the turn was kept, in its order."""
    agent = _agent()
    first = UserMessage(content="go", source="user")
    repair = await _recalled(agent, [first, *messages], records)
    assert repair.must_be_kept()
    repair.keep()
    found = await agent.model_context.get_messages()
    if is_strict:
        check_transcript(found)
    last = found[-1]
    assert isinstance(last, FunctionExecutionResultMessage)
    return [(result.call_id, result.content) for result in last.content]


async def test_a_recorded_result_stays_and_an_open_call_is_closed() -> None:
    """Of parallel calls, each has what was recorded of it."""
    records = [_record(1, "a", _said("paid 1")), _record(2, "b")]
    found = await _closed([_request("a", "b")], records)
    assert found == [("a", "paid 1"), ("b", OPEN_CALL)]


async def test_a_call_that_was_not_recorded_has_not_begun() -> None:
    """Beside one that has; it says so."""
    found = await _closed([_request("a", "b")], [_record(1, "a", _said("paid"))])
    assert found[0] == ("a", "paid")
    assert "it was not started" in found[1][1]


async def test_a_turn_without_records_is_undone() -> None:
    """Its calls were taken back, or had never come to the gate."""
    agent = _agent()
    repair = await _recalled(agent, [_request("a")], [])
    assert not repair.must_be_kept()
    repair.undo()
    assert await agent.model_context.get_messages() == []


async def test_an_id_that_is_used_again_is_another_call() -> None:
    """The last record of an id is that of the last request."""
    records = [_record(1, "a", _said("first")), _record(2, "a")]
    messages: list[LLMMessage] = [_request("a"), _answered("a"), _request("a")]
    found = await _closed(messages, records, is_strict=False)
    assert found == [("a", OPEN_CALL)]


async def test_one_id_twice_in_a_request_is_two_calls() -> None:
    """Each has its own record, in their order."""
    turn = Turn(_agent())
    await turn.agent.model_context.add_message(_request("a", "a"))
    records = [_record(1, "a", _said("one")), _record(2, "a", _said("two"))]
    recalled = Recalled()
    recalled.put(turn, records)
    by_record = {call.record.id: call.result for call in recalled.calls if call.record}
    assert [by_record[record.id].content for record in records if by_record[record.id]] == [  # type: ignore[union-attr]
        "one",
        "two",
    ]


async def test_a_request_that_did_not_come_to_the_gate_is_taken_back() -> None:
    """An earlier request of the same turn was recorded: the turn is kept without the last one."""
    agent = _agent()
    before: list[LLMMessage] = [_request("a"), _answered("a")]
    repair = await _recalled(agent, [*before, _request("b")], [_record(1, "a", _said("paid"))])
    assert repair.must_be_kept()
    repair.keep()
    assert await agent.model_context.get_messages() == before


async def test_results_that_are_there_are_not_given_twice() -> None:
    """A later state may have them already."""
    agent = _agent()
    messages: list[LLMMessage] = [_request("a"), _answered("a")]
    repair = await _recalled(agent, messages, [_record(1, "a", _said("paid"))])
    assert repair.must_be_kept()
    repair.keep()
    assert await agent.model_context.get_messages() == messages


async def test_a_handoff_beside_a_call_is_made_again() -> None:
    """It is not recorded, and takes effect by an answer that was not given."""
    request = _request("a")
    handoff = FunctionCall(id="h", name="transfer_to_bob", arguments="{}")
    assert isinstance(request.content, list)
    request.content.append(handoff)
    found = await _closed([request], [_record(1, "a", _said("paid"))])
    assert found[0] == ("a", "paid")
    assert "it was not started" in found[1][1]


async def test_an_agent_within_a_tool_has_its_own_records() -> None:
    """The same id in both is two calls, each closed in the model context of its agent."""
    inner = _agent("bob")
    outer = AssistantAgent("ann", ScriptedModel(), tools=[AgentTool(inner)])
    turn = Turn(outer)
    await outer.model_context.add_message(_request("a", name="bob"))
    await inner.model_context.add_message(_request("a"))
    records = [_record(1, "a", tool="bob"), _record(2, "a", _said("paid"), agent="bob")]
    Recalled().put(turn, records)
    TurnRepair(turn).keep()
    contents: list[str] = []
    for agent in (outer, inner):
        last = (await agent.model_context.get_messages())[-1]
        assert isinstance(last, FunctionExecutionResultMessage)
        contents.append(last.content[0].content)
    assert contents == [OPEN_CALL, "paid"]


async def test_a_call_of_an_agent_that_is_gone_has_taken_effect() -> None:
    """Its turn is kept all the same."""
    repair = await _recalled(_agent(), [], [_record(1, "a", agent="gone")])
    assert repair.must_be_kept()


def test_what_is_recorded_of_a_result_can_be_read() -> None:
    """Also with a lone surrogate and a NUL, which some stores refuse: it is ASCII."""
    text = result_text(
        FunctionExecutionResult(content="\ud800\0é", name="t", call_id="a", is_error=False)
    )
    assert text.isascii()
    assert json.loads(text)["content"] == "\ud800\0é"
    assert code_text(CodeResult(exit_code=1, output="é")).isascii()


# -- code ---------------------------------------------------------------------------------------


def _coder() -> CodeExecutorAgent:
    return executing("cod", Noting([]), ScriptedModel(["Fine."]))


def _written() -> list[LLMMessage]:
    return [
        UserMessage(content="go", source="user"),
        AssistantMessage(content="```python\n1\n```", source="cod"),
    ]


def _code(result: CodeResult | None) -> CallRecord:
    text = None if result is None else code_text(result)
    return _record(1, "0", text, agent="cod", tool="Noting", kind="code")


@pytest.mark.parametrize(
    ("result", "output"),
    [
        (None, OPEN_CODE),
        (CodeResult(exit_code=0, output="42"), "42"),
        (CodeResult(exit_code=3, output="x"), "The script ran, then exited with an error (POSIX"),
    ],
)
async def test_code_has_its_output_in_its_agents_context(
    result: CodeResult | None, output: str
) -> None:
    """As the agent words it; and it is among the events."""
    agent = _coder()
    repair = await _recalled(agent, _written(), [_code(result)])
    assert repair.must_be_kept()
    repair.keep()
    last = (await agent.model_context.get_messages())[-1]
    assert isinstance(last, UserMessage)
    assert isinstance(last.content, str)
    assert last.content.startswith(output)
    [event] = repair.remains.events
    assert isinstance(event, CodeExecutionEvent)
    assert event.result.output == last.content


@pytest.mark.parametrize("reflection", [[], [AssistantMessage(content="Fine.", source="cod")]])
async def test_an_output_that_is_there_is_not_given_twice(reflection: list[LLMMessage]) -> None:
    """Nor where its model has spoken of it already."""
    agent = _coder()
    messages = [*_written(), UserMessage(content="42", source="cod"), *reflection]
    repair = await _recalled(agent, messages, [_code(CodeResult(exit_code=0, output="42"))])
    assert repair.must_be_kept()
    repair.keep()
    assert await agent.model_context.get_messages() == messages


async def test_code_of_an_agent_of_the_users_keeps_its_turn() -> None:
    """Where its output belongs in its memory is not known, so it has to tell that itself."""
    turn = Turn(ScriptedAgent("own"))
    Recalled().put(turn, [_record(1, "0", None, agent="own", tool="Noting", kind="code")])
    repair = TurnRepair(turn)
    assert repair.must_be_kept()
    repair.keep()
    assert repair.remains.events == []
