"""Rows of a store, and the data that they mean.

SQLite keeps a value of any type in any column, and either database may be damaged or edited: so the
type of each column is checked where it is read.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from supervisor._checkpoints.store import CallKind, CallRecord, NewRun, RunInfo, RunStatus
from supervisor._core.errors import CheckpointCorrupt


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A row of the runs: what it tells, and what is nobody else's business.

    Args:
        info: What it tells; its owner is the one who is written there, dead or alive.
        fence: The largest that was given out.
        is_in_time: Whether the lease lasts; None where none was written.
    """

    info: RunInfo
    fence: int
    is_in_time: bool | None


class Row:
    """The columns of a row, taken from left to right, each with the type that it must have."""

    def __init__(self, run_id: str, columns: Sequence[object]) -> None:
        self._run_id = run_id
        self._columns = iter(columns)

    def text(self) -> str:
        """Take a text."""
        value = next(self._columns)
        if isinstance(value, str):
            return value
        raise self._refused(value, "a text")

    def text_or_none(self) -> str | None:
        """Take a text, or nothing."""
        value = next(self._columns)
        return None if value is None else Row(self._run_id, [value]).text()

    def name(self) -> str:
        """Take a text that `to_column` made."""
        return from_column(self.text())

    def name_or_none(self) -> str | None:
        """Take a text that `to_column` made, or nothing."""
        value = self.text_or_none()
        return None if value is None else from_column(value)

    def number(self) -> int:
        """Take a whole number, 0 or more, to which each database can add."""
        value = next(self._columns)
        if isinstance(value, int) and 0 <= value <= _LARGEST:
            return value
        raise self._refused(value, "a whole number")

    def seconds(self) -> float:
        """Take a number."""
        value = next(self._columns)
        if isinstance(value, float | int) and math.isfinite(value):
            return float(value)
        raise self._refused(value, "a number")

    def seconds_or_none(self) -> float | None:
        """Take a number, or nothing."""
        value = next(self._columns)
        return None if value is None else Row(self._run_id, [value]).seconds()

    def flag_or_none(self) -> bool | None:
        """Take a truth value, or nothing."""
        value = next(self._columns)
        return None if value is None else bool(Row(self._run_id, [value]).number())

    def _refused(self, value: object, wanted: str) -> CheckpointCorrupt:
        problem = f"{_shown(value)} stands where {wanted} must be"
        return CheckpointCorrupt(self._run_id, problem)


def run_row(columns: Sequence[object]) -> RunRow:
    """Return what the columns of a run mean.

    Raises:
        CheckpointCorrupt: A column is of another type.
    """
    row = Row(_run_id(columns[0]), columns)
    run_id, status, team = row.name(), row.text(), row.name()
    turn, attempts, failures, fence = (row.number() for _ in range(4))
    info = RunInfo(
        id=run_id,
        status=_status(run_id, status),
        team=team,
        turn=turn,
        attempts=attempts,
        failures=failures,
        owner=row.name_or_none(),
        held_until=row.seconds_or_none(),
        is_cancel_requested=bool(row.number()),
        stop_reason=row.name_or_none(),
        error=row.name_or_none(),
        created=row.seconds(),
        updated=row.seconds(),
    )
    return RunRow(info=info, fence=fence, is_in_time=row.flag_or_none())


def run_row_or_damage(columns: Sequence[object]) -> RunRow:
    """Return what the columns of a run mean; of a damaged one, that it is."""
    try:
        return run_row(columns)
    except CheckpointCorrupt as error:
        info = RunInfo(
            id=error.run_id,
            status=RunStatus.FAILED,
            team="",
            turn=0,
            attempts=0,
            failures=0,
            owner=None,
            held_until=None,
            is_cancel_requested=False,
            stop_reason=None,
            error=f"damaged: {error.problem}",
            created=0.0,
            updated=0.0,
        )
        return RunRow(info=info, fence=0, is_in_time=None)


def call_record(run_id: str, columns: Sequence[object]) -> CallRecord:
    """Return what the columns of a call mean.

    Raises:
        CheckpointCorrupt: A column is of another type, or they are not those that were written.
    """
    row = Row(run_id, columns)
    call = CallRecord(
        id=row.name(),
        kind=cast("CallKind", row.text()),
        turn=row.number(),
        agent=row.name(),
        tool=row.name(),
        arguments=row.text(),
        fence=row.number(),
        result=row.text_or_none(),
    )
    if row.text() != call_digest(run_id, call):
        raise CheckpointCorrupt(run_id, f"the digest of the call {call.id!r} is of another call")
    return call


def call_columns(call: CallRecord) -> tuple[object, ...]:
    """Return the columns of a call, without its digest."""
    names = to_column(call.agent), to_column(call.tool)
    first = to_column(call.id), call.kind, call.turn
    return *first, *names, call.arguments, call.fence, call.result


def call_digest(run_id: str, call: CallRecord) -> str:
    """Return what proves the row of a call."""
    return _digest([run_id, *call_columns(call)])


def task_digest(run_id: str, new: NewRun) -> str:
    """Return what proves what a run was made of."""
    return _digest([run_id, new.team, new.shape, new.task])


def logs_of(run_id: str, rows: Iterable[Sequence[object]]) -> dict[str, list[str]]:
    """Return the bodies of each log, from rows (log, position, body) in their order.

    Raises:
        CheckpointCorrupt: A row is missing, or a column is of another type.
    """
    logs = dict[str, list[str]]()
    for columns in rows:
        row = Row(run_id, columns)
        name, position, body = row.name(), row.number(), row.text()
        log = logs.setdefault(name, [])
        if position != len(log):
            raise CheckpointCorrupt(run_id, f"item {len(log)} of the log {name!r} is missing")
        log.append(body)
    return logs


def to_column(text: str) -> str:
    r"""Return a text that each database takes, and that is told apart from each other one.

    PostgreSQL takes no NUL, and neither of them half of a surrogate pair: they are escaped.
    """
    return _NOT_TAKEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def from_column(text: str) -> str:
    """Return the text of which `to_column` made this one."""
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), text)


_NOT_TAKEN = re.compile("[\\\\\0\ud800-\udfff]")
_WRITTEN = re.compile(r"\\u([0-9a-f]{4})")


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _run_id(column: object) -> str:
    return from_column(column) if isinstance(column, str) else _shown(column)


def _status(run_id: str, text: str) -> RunStatus:
    try:
        return RunStatus(text)
    except ValueError:
        raise CheckpointCorrupt(run_id, f"{_shown(text)} is no status") from None


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
    return f"a value of the type {type(value).__name__}"


_LONGEST = 200
_LARGEST = 2**62
