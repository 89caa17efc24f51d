"""Records what has effects before it begins, and its result after it.

Three things do: a tool call, code that is executed, and an answer of the user's, which is an effect
on this side. Each is one record. Its id is made here, for the id that a model gives to a call is
not enough: two agents may use the same ids, and some models begin to count anew with each request.
A turn of the journal notes the ids of its records, so that whoever goes on finds them by the turn.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from supervisor._autogen.history.team_run import Turn
from supervisor._autogen.run_context import RunContext
from supervisor._checkpoints.gated_run import GatedRun
from supervisor._checkpoints.snapshot import Snapshot
from supervisor._checkpoints.store import CallKind, CallRecord
from supervisor._core.errors import LeaseLost
from supervisor._core.tasks import AnyTask
from supervisor._core.tool_call import CURRENT, ToolCall


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is about to begin.

    Args:
        kind: What it is.
        turn: The turn in which it happens; None where that is not known.
        agent: The name of the agent.
        name: The name of the tool.
        arguments: JSON text.
        call_id: The id that the model has given it.
    """

    kind: CallKind
    turn: Turn | None
    agent: str
    name: str
    arguments: str
    call_id: str = ""


@dataclass(eq=False)
class Entry:
    """One record, as its run has it.

    Args:
        record: What is written.
        turn: The turn in which it happens.
        durable: Done once it is written.
        has_begun: Whether the tool was reached.
        has_ended: Whether its result is recorded.
    """

    record: CallRecord
    turn: Turn | None
    durable: asyncio.Future[None]
    has_begun: bool = False
    has_ended: bool = False


class CallRecords:
    """The records of one run.

    Args:
        owned: The run.
        snapshot: Returns where the run stands now.
        context: What is at work for it.
    """

    def __init__(
        self, owned: GatedRun, snapshot: Callable[[], Snapshot], context: RunContext
    ) -> None:
        self._owned = owned
        self._snapshot = snapshot
        self._context = context
        self.is_closed: bool = False
        """Whether the run has ended; a task may outlive it."""

    @property
    def is_over(self) -> bool:
        """Whether the run is at its end, so that nothing is recorded any more."""
        return self.is_closed or self._context.journal.is_closed

    def turn_of(self, task: AnyTask | None) -> Turn | None:
        """Return the turn that a task works for."""
        return self._context.journal.turn_at(self._context.scope.root(task))

    def begin(self, wanted: Sequence[Wanted], result: str | None = None) -> list[Entry]:
        """Have records written, in one commit with all that precedes them.

        Args:
            wanted: What begins.
            result: What it has come to, where it is over already.

        Raises:
            CancelledError: The run is at its end.
        """
        if self.is_over:
            raise asyncio.CancelledError
        ids = [_new_id(each) for each in wanted]
        for each, id_ in zip(wanted, ids, strict=True):
            if each.turn is not None:
                each.turn.records.append(id_)
        snapshot = self._snapshot()  # it has the ids: so the turns are known that are to be kept
        records = [
            CallRecord(
                id=id_,
                kind=each.kind,
                turn=snapshot.turn,
                agent=each.agent,
                tool=each.name,
                arguments=each.arguments,
                fence=self._owned.fence,
                result=result,
            )
            for each, id_ in zip(wanted, ids, strict=True)
        ]
        durable = self._owned.begin_calls(snapshot, records)
        return [Entry(r, w.turn, durable) for r, w in zip(records, wanted, strict=True)]

    async def admit(self, entry: Entry) -> None:
        """Wait until a call may begin. Where it never may, the run fails, which cancels this."""
        try:
            await asyncio.shield(entry.durable)  # others of the same request wait for it as well
        except (Exception, LeaseLost) as error:  # noqa: BLE001 - the run ends with it
            await self._end_run(error)
        await self.admit_owner()
        entry.has_begun = True

    async def admit_owner(self) -> None:
        """Let the run fail, and never return, where its lease is over."""
        if not self._owned.may_act:
            await self._end_run(LeaseLost(self._owned.id))

    async def _end_run(self, error: BaseException) -> NoReturn:
        self._owned.lose(error)
        if not self.is_over:  # else it cancels nothing any more
            await asyncio.get_running_loop().create_future()
        raise asyncio.CancelledError

    @contextmanager
    def at_work(self, record: CallRecord) -> Generator[None]:
        """Let the code within know which call it belongs to."""
        token = CURRENT.set(
            ToolCall(
                agent=record.agent,
                name=record.tool,
                arguments=record.arguments,
                call_id=call_id_of(record),
                idempotency_key=key_of(self._owned.id, record),
                fence=self._owned.fence,
            )
        )
        try:
            yield
        finally:
            CURRENT.reset(token)

    def end(self, entry: Entry, result: str) -> None:
        """Have the result of a call written, as JSON text."""
        entry.has_ended = True
        self._owned.end_call(entry.record.id, result)

    def end_again(self, record: CallRecord, result: str) -> None:
        """Have the result of a call written that another owner of the run had begun."""
        self._owned.end_call(record.id, result)

    def drop(self, entry: Entry) -> None:
        """Take a record back: what it is of has not begun, and never will."""
        if entry.turn is not None:
            entry.turn.records.remove(entry.record.id)
        self._owned.drop_call(entry.record.id)


def _new_id(wanted: Wanted) -> str:
    return f"{wanted.agent}:{secrets.token_hex(8)}:{wanted.call_id}"


def call_id_of(record: CallRecord) -> str:
    """Return the id that the model has given to a call."""
    own = record.id.removeprefix(f"{record.agent}:")
    return own.partition(":")[2]


def key_of(run_id: str, record: CallRecord) -> str:
    """Return the idempotency key of a call."""
    text = f"{run_id}\n{record.id}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
