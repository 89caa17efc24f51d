"""What was recorded in a turn that was interrupted, for the repair of that turn.

A call of which a result was recorded has that result. An open one may have taken effect: its result
says so. A call that was not recorded has not begun.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from autogen_agentchat.agents import AssistantAgent, CodeExecutorAgent
from autogen_core import FunctionCall
from autogen_core.code_executor import CodeResult
from autogen_core.models import FunctionExecutionResult, LLMMessage, UserMessage

from supervisor._autogen import upstream
from supervisor._autogen.checkpoints.calls.call_records import call_id_of
from supervisor._autogen.code_execution import CANCELLED, Code
from supervisor._autogen.history.memory import wanted_last
from supervisor._autogen.history.team_run import Turn
from supervisor._autogen.repair_thread import drive_sync
from supervisor._autogen.walk import walk
from supervisor._checkpoints.store import CallRecord

OPEN_CALL: Final = "Interrupted: it is not known whether this call took effect."
OPEN_CODE: Final = "Interrupted: it is not known whether this code took effect."


class RecordedCall:
    """A tool call that another owner of the run has made, or was about to make.

    Args:
        call: What is called.
        agent: Whose model wants it; None where that agent is not to be found.
        record: What was recorded of it; None where it has not begun.
        is_handoff: Whether it hands off to another agent.
    """

    def __init__(
        self,
        call: FunctionCall,
        agent: AssistantAgent | None,
        record: CallRecord | None,
        *,
        is_handoff: bool = False,
    ) -> None:
        self.call = call
        self.agent = agent
        self.record = record
        self.is_handoff = is_handoff
        self.result = _result(call, record) if record is not None else None
        """What stands behind it in the model context."""

    @property
    def has_started(self) -> bool:
        """Whether the tool may have been reached."""
        return self.record is not None

    @property
    def has_taken_effect(self) -> bool:
        """Whether it must not be made again."""
        return self.has_started and not self.is_handoff


class Recalled:
    """What was recorded in the open turns of a run, for whoever goes on with it.

    A turn that is undone is redone later, perhaps in a process after this one. What was recorded in
    it is unclaimed until then, and each snapshot names it.
    """

    def __init__(self) -> None:
        self.calls: list[RecordedCall] = []
        """The tool calls of the turns so far."""
        self.answers: list[tuple[Turn, CallRecord]] = []
        """What users have answered in them."""
        self.outputs: list[tuple[CodeExecutorAgent, CallRecord]] = []
        """The code of agents without a model: its output is their whole turn."""

    def put(self, turn: Turn, records: Sequence[CallRecord]) -> None:
        """Let a turn that was interrupted have what was recorded in it; before it is repaired.

        Args:
            turn: The turn, whose agents have their memories again.
            records: Those whose ids the turn has noted, in that order, and that were not taken
                back.
        """
        calls = recalled_calls(turn, [record for record in records if record.kind == "tool"])
        turn.calls.extend(calls)
        self.calls.extend(calls)
        self.answers.extend((turn, record) for record in records if record.kind == "input")
        code = [record for record in records if record.kind == "code"]
        if code:
            self._put_code(turn, code[-1])

    def unclaimed(self) -> Iterator[tuple[object, CallRecord]]:
        """Yield what no turn was given back yet, each with an agent of the turn that it is of."""
        yield from ((turn.agent, record) for turn, record in self.answers)
        yield from self.outputs

    def give_back(self, record: CallRecord, turn: Turn | None) -> None:
        """Note that a turn, which is redone, has a record of before."""
        if turn is not None:
            turn.records.append(record.id)
            self.answers = [given for given in self.answers if given[1] is not record]
            self.outputs = [given for given in self.outputs if given[1] is not record]

    def _put_code(self, turn: Turn, last: CallRecord) -> None:
        """Let a turn have the output of code; earlier code of the turn has its own there already.

        An agent without a model does the same again when it is asked again, and then gets the
        output: so its turn is undone.
        """
        agent = next((it for it in walk(turn.agent) if _is_executor(it, last.agent)), None)
        if not isinstance(agent, CodeExecutorAgent):  # one of the user's
            turn.code = Code()
        elif not upstream.has_model(agent):
            self.outputs.append((agent, last))
        else:
            result = output_of(agent, last)
            turn.has_executed = True
            if not _knows(agent, result.output):
                turn.code = Code(agent, int(call_id_of(last) or 0), result)


def recalled_calls(turn: Turn, records: Sequence[CallRecord]) -> list[RecordedCall]:
    """Return the tool calls of a turn, of which these were recorded."""
    left = list(records)
    found: list[RecordedCall] = []
    for agent in turn.assistants:
        handoffs = upstream.handoff_names(agent)
        for call in reversed(wanted_last(agent.model_context)):
            record = _taken(left, agent.name, call)
            found.append(RecordedCall(call, agent, record, is_handoff=call.name in handoffs))
    # Of earlier requests, or of agents that are not there any more: they have taken effect.
    return [*found, *(RecordedCall(_call_of(record), None, record) for record in left)]


def _taken(left: list[CallRecord], agent: str, call: FunctionCall) -> CallRecord | None:
    """Take out the last record of a call: a model may use an id in each of its requests."""
    for record in reversed(left):
        wanted = (agent, call.id, call.name, call.arguments)
        if (record.agent, call_id_of(record), record.tool, record.arguments) == wanted:
            left.remove(record)
            return record
    return None


def _call_of(record: CallRecord) -> FunctionCall:
    return FunctionCall(id=call_id_of(record), name=record.tool, arguments=record.arguments)


def _result(call: FunctionCall, record: CallRecord) -> FunctionExecutionResult:
    said: dict[str, Any] = {"content": OPEN_CALL, "is_error": True}
    if record.result is not None:
        said = _parsed(record.result, "content", "is_error")
    return FunctionExecutionResult(name=call.name, call_id=call.id, **said)


def result_text(result: FunctionExecutionResult) -> str:
    """Return what is recorded of a tool's result."""
    return json.dumps({"content": result.content, "is_error": result.is_error})


def code_text(result: CodeResult) -> str:
    """Return what is recorded of the result of code."""
    return json.dumps({"exit_code": result.exit_code, "output": result.output})


def _parsed(text: str, *names: str) -> dict[str, Any]:
    found = json.loads(text)
    return {name: found[name] for name in names}


def output_of(agent: CodeExecutorAgent, record: CallRecord) -> CodeResult:
    """Return the output of code as its agent words it; where there is none, that it is open."""
    if record.result is None:
        return CodeResult(exit_code=CANCELLED, output=OPEN_CODE)
    said = CodeResult(**_parsed(record.result, "exit_code", "output"))
    return drive_sync(upstream.code_output(agent, said))


def _is_executor(thing: object, name: str) -> bool:
    return isinstance(thing, CodeExecutorAgent) and thing.name == name


def _knows(agent: CodeExecutorAgent, output: str) -> bool:
    """Return whether an agent remembers an output: last, or before what its model says of it."""
    messages: Sequence[LLMMessage] = upstream.messages_of(agent.model_context) or ()
    return any(
        isinstance(message, UserMessage)
        and message.source == agent.name
        and message.content == output
        for message in messages[-2:]
    )
