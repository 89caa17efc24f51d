"""What a user types into a `UserProxyAgent` is recorded, and given back when its turn is redone.

The turn itself is undone, for nothing in it has an effect elsewhere. The user is not asked twice.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from typing import Any

from autogen_agentchat.agents import UserProxyAgent

from supervisor._autogen import upstream
from supervisor._autogen.checkpoints.calls.call_records import CallRecords, Wanted
from supervisor._autogen.checkpoints.calls.recalled import Recalled
from supervisor._autogen.checkpoints.calls.shared_method import route
from supervisor._autogen.history.team_run import Turn
from supervisor._autogen.walk import walk
from supervisor._checkpoints.store import CallRecord
from supervisor._core.asyncio_tools import retrieve
from supervisor._core.tasks import Scope
from supervisor._core.tool_call import CURRENT


class Answers:
    """The answers in one run.

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
        self._known: dict[int, deque[CallRecord]] = {}  # by the id() of the agent

    def open(self, things: Iterable[object]) -> None:
        """Have the answers recorded that agents get in this run.

        Args:
            things: What is run, and the components that it holds.
        """
        for turn, record in self._recalled.answers:
            self._recall(turn, record)
        for thing in things:
            if isinstance(thing, UserProxyAgent):
                through = functools.partial(self._ask, thing)
                self._routes.callback(route(thing, upstream.ASKS, self._scope, through))

    def close(self) -> None:
        """End `open`."""
        self._routes.close()

    def _recall(self, turn: Turn, record: CallRecord) -> None:
        for thing in walk(turn.agent):
            if isinstance(thing, UserProxyAgent) and thing.name == record.agent:
                self._known.setdefault(id(thing), deque()).append(record)

    async def _ask(
        self,
        agent: UserProxyAgent,
        ask: Callable[..., Awaitable[str]],
        prompt: str,
        *args: Any,
        **options: Any,
    ) -> str:
        turn = self._records.turn_of(asyncio.current_task())
        known = self._known.get(id(agent))
        if known:
            record = known.popleft()
            self._recalled.give_back(record, turn)
            return str(json.loads(record.result or '""'))
        answer = await ask(prompt, *args, **options)
        if CURRENT.get() is None and not self._records.is_over:
            self._record(agent, turn, prompt, answer)
        return answer

    def _record(self, agent: UserProxyAgent, turn: Turn | None, prompt: str, answer: str) -> None:
        wanted = Wanted(
            kind="input", turn=turn, agent=agent.name, name="input", arguments=json.dumps(prompt)
        )
        entry = self._records.begin([wanted], json.dumps(answer))[0]
        entry.durable.add_done_callback(retrieve)  # it is not waited for, as no result is
