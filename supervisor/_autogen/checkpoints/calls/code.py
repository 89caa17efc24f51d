"""Code that agents execute passes the gate like a tool: recorded before, its output after.

It does so where its executor is asked: an approval that the user has to give comes before. Code
that a tool executes belongs to the call of that tool, and is not recorded once more.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Final

from autogen_agentchat.agents import CodeExecutorAgent
from autogen_core.code_executor import CodeBlock, CodeExecutor, CodeResult

from supervisor._autogen import upstream
from supervisor._autogen.checkpoints.calls.call_records import CallRecords, Wanted
from supervisor._autogen.checkpoints.calls.recalled import Recalled, code_text, output_of
from supervisor._autogen.checkpoints.calls.shared_method import route
from supervisor._checkpoints.store import CallRecord
from supervisor._core.tasks import Scope
from supervisor._core.tool_call import CURRENT
from supervisor._reports.frames import frames_of

EXECUTES: Final = "execute_code_block"
"""The method by which an agent has code executed, once that is approved."""


class CodeGate:
    """The executors of one run.

    Args:
        records: Its records.
        scope: Its tasks.
        recalled: What was recorded in turns that are redone in it.
    """

    def __init__(self, records: CallRecords, scope: Scope, recalled: Recalled) -> None:
        self._records = records
        self._scope = scope
        self._recalled = recalled
        self._routes = ExitStack()

    def open(self, things: Iterable[object]) -> None:
        """Have executors wait before they execute anything for this run.

        Args:
            things: What is run, and the components that it holds.
        """
        for agent, record in self._recalled.outputs:
            self._recall(agent, record)
        for thing in things:
            if isinstance(thing, CodeExecutor):
                through = functools.partial(self._execute, thing)
                self._routes.callback(route(thing, "execute_code_blocks", self._scope, through))

    def close(self) -> None:
        """End `open`."""
        self._routes.close()

    def _recall(self, agent: CodeExecutorAgent, record: CallRecord) -> None:
        result = output_of(agent, record)

        async def give_back(*_: object, **__: object) -> CodeResult:
            end()
            self._recalled.give_back(record, self._records.turn_of(asyncio.current_task()))
            return result

        end = route(agent, EXECUTES, self._scope, give_back)
        self._routes.callback(end)

    async def _execute(
        self,
        executor: CodeExecutor,
        execute: Callable[..., Awaitable[CodeResult]],
        code_blocks: Sequence[CodeBlock],
        *args: Any,
        **options: Any,
    ) -> CodeResult:
        if CURRENT.get() is not None:
            return await execute(code_blocks, *args, **options)
        entry = self._records.begin([self._wanted(executor, code_blocks)])[0]
        try:
            await self._records.admit(entry)
        except BaseException:
            self._records.drop(entry)
            raise
        with self._records.at_work(entry.record):
            result = await execute(code_blocks, *args, **options)
        self._records.end(entry, code_text(result))
        return result

    def _wanted(self, executor: CodeExecutor, code_blocks: Sequence[CodeBlock]) -> Wanted:
        task = asyncio.current_task()
        turn = self._records.turn_of(task)
        frames = frames_of(task) if task is not None else []
        at = next((found for frame in frames if (found := upstream.code_agent(frame))), None)
        agent = at.agent if at is not None else turn.agent if turn is not None else None
        blocks = [{"language": block.language, "code": block.code} for block in code_blocks]
        return Wanted(
            kind="code",
            turn=turn,
            agent=str(getattr(agent, "name", "")),
            name=type(executor).__name__,
            arguments=json.dumps(blocks),
            call_id=str(at.attempt if at is not None else 0),
        )
