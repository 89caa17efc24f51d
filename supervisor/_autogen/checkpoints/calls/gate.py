"""The gate of a run that is kept: no tool starts before its call is durable.

AutoGen starts a task for each tool call, so the task factory can give that task another coroutine:
one that waits until the call is written, and then runs AutoGen's. All calls of one request are
created in one step of the loop, before any of them begins: the first that begins has all of them
written, in one commit. Not chosen: to wrap each tool. There are many kinds of workbenches, and the
user's code could tell the wrapper from the tool.

A handoff does nothing by itself, and is not recorded. The calls that an agent makes within a tool
(`AgentTool`, `TeamTool`) are recorded like all others, so that each has a key and none starts after
the lease. Whoever goes on closes the outer call, and so makes none of those within it again.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterable
from contextlib import ExitStack
from typing import Any

from autogen_core.models import FunctionExecutionResult

from supervisor._autogen import upstream
from supervisor._autogen.checkpoints.calls.answers import Answers
from supervisor._autogen.checkpoints.calls.call_records import CallRecords, Entry, Wanted
from supervisor._autogen.checkpoints.calls.code import CodeGate
from supervisor._autogen.checkpoints.calls.idempotent_calls import make_again
from supervisor._autogen.checkpoints.calls.recalled import Recalled, result_text
from supervisor._autogen.history.tool_calls import Call
from supervisor._autogen.run_context import RunContext
from supervisor._checkpoints.gated_run import GatedRun
from supervisor._checkpoints.snapshot import Snapshot
from supervisor._core.tasks import AnyTask


class ToolGate:
    """The gate of one run.

    Args:
        owned: The run.
        snapshot: Returns where the run stands now: `Capture.snapshot`.
        context: What is at work for it.
        idempotent: The names of the tools whose calls may be made again.
    """

    def __init__(
        self,
        owned: GatedRun,
        snapshot: Callable[[], Snapshot],
        context: RunContext,
        idempotent: frozenset[str] = frozenset(),
    ) -> None:
        self._context = context
        self._idempotent = idempotent
        self._records = CallRecords(owned, snapshot, context)
        self._recalled = Recalled()
        self._code = CodeGate(self._records, context.scope, self._recalled)
        self._answers = Answers(self._records, context.scope, self._recalled)
        self._entries: dict[Call, Entry] = {}
        self._opened = ExitStack()
        self.recall = self._recalled.put
        """Lets a turn that was interrupted have what was recorded in it; before `open`."""
        self.unclaimed = self._recalled.unclaimed

    def open(self, things: Iterable[object]) -> None:
        """Have everything wait here that has effects.

        Args:
            things: What is run, and the components that it holds.
        """
        self._context.scope.gate = self._hold
        found = list(things)
        self._opened.callback(self._code.close)
        self._code.open(found)
        self._opened.callback(self._answers.close)
        self._answers.open(found)
        self._opened.callback(upstream.mcp_tell_calls())

    def close(self) -> None:
        """End `open`."""
        self._context.scope.gate = None
        self._records.is_closed = True
        self._opened.close()

    # -- tool calls -----------------------------------------------------------------------------

    def _hold(self, coro: Any) -> Coroutine[Any, Any, Any]:
        return self._pass(coro)

    async def _pass(self, coro: Any) -> Any:
        call = self._context.journal.calls.at(_current_task())
        if call is None or call.is_handoff:
            return await coro
        if call not in self._entries:
            self._begin(call.made_by)
        entry = self._entries[call]
        await self._records.admit(entry)
        with self._records.at_work(entry.record):
            found = await coro
        match found:
            case (_, FunctionExecutionResult() as result):
                self._records.end(entry, result_text(result))
            case _:  # a wrapper may answer anything
                pass
        return found

    def _begin(self, made_by: AnyTask | None) -> None:
        """Have all calls of one request written."""
        of_request = self._context.journal.calls.of_request(made_by)
        calls = [call for call in of_request if not call.is_handoff and not call.task.done()]
        entries = self._records.begin([self._wanted(call) for call in calls])
        for call, entry in zip(calls, entries, strict=True):
            self._entries[call] = entry
            call.task.add_done_callback(functools.partial(self._ended, call))

    def _wanted(self, call: Call) -> Wanted:
        made = call.call
        return Wanted(
            kind="tool",
            turn=self._records.turn_of(call.task),
            agent=call.agent,
            name=made.name,
            arguments=made.arguments,
            call_id=made.id,
        )

    def _ended(self, call: Call, _task: AnyTask) -> None:
        entry = self._entries.pop(call)
        if not entry.has_begun:
            call.refuse()
        if not call.has_started and not entry.has_ended:
            self._records.drop(entry)

    # -- going on -------------------------------------------------------------------------------

    async def make_again(self) -> None:
        """Make the open calls again whose tools are idempotent; within the run, before it goes on.

        Their results replace those that say "Interrupted", in the model contexts and events.
        """
        self._context.scope.gate = None  # what an `AgentTool` calls is within the one that is open
        try:
            calls = self._recalled.calls
            await make_again(calls, self._records, self._idempotent, self._context.token)
        finally:
            self._context.scope.gate = self._hold


def _current_task() -> AnyTask:
    task = asyncio.current_task()
    assert task is not None, "it runs in one"
    return task
