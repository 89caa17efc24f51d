"""Calls that are made again: those that were open, and whose tools are idempotent.

That a tool is idempotent is for the user to say, by its name or on the tool. What a tool server
says of its own tools is not trusted, as MCP's specification has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from autogen_agentchat.agents import AssistantAgent
from autogen_core import CancellationToken
from autogen_core.models import FunctionExecutionResult

from supervisor._autogen import upstream
from supervisor._autogen.checkpoints.calls.call_records import CallRecords
from supervisor._autogen.checkpoints.calls.recalled import RecordedCall, result_text
from supervisor._checkpoints.store import CallRecord


async def make_again(
    calls: Sequence[RecordedCall],
    records: CallRecords,
    idempotent: frozenset[str],
    token: CancellationToken,
) -> None:
    """Make open calls again, at once, each with the id, the key and the tools that it had.

    Args:
        calls: The calls of turns that are kept.
        records: Records their results.
        idempotent: The names of the tools whose calls may be made again.
        token: The run's.
    """
    made = [_made(call, records, token) for call in calls if _is_idempotent(call, idempotent)]
    ended = await asyncio.gather(*made, return_exceptions=True)  # none is left at work
    for error in ended:
        if error is not None:
            raise error


def _is_idempotent(call: RecordedCall, names: frozenset[str]) -> bool:
    if call.agent is None or call.record is None or call.record.result is not None:
        return False
    marked = upstream.marks_of(call.agent, call.call.name)
    return call.call.name in names or any(
        getattr(thing, "idempotent", False) is True for thing in marked
    )


async def _made(call: RecordedCall, records: CallRecords, token: CancellationToken) -> None:
    agent, record, result = call.agent, call.record, call.result
    assert agent is not None, "`_is_idempotent` has looked"
    assert record is not None
    assert result is not None
    if not await upstream.has_tool(agent, call.call.name):  # it has another set of tools by now
        return
    found = await _call(agent, call, record, records, token)
    # The very object that stands in the model context, and in the events.
    result.content, result.is_error = found.content, found.is_error
    records.end_again(record, result_text(found))


async def _call(
    agent: AssistantAgent,
    call: RecordedCall,
    record: CallRecord,
    records: CallRecords,
    token: CancellationToken,
) -> FunctionExecutionResult:
    await records.admit_owner()
    with records.at_work(record):
        return await upstream.call_tool(agent, call.call, token)
