"""The statements about runs as such: who has them, and what their status is.

Each of them stands within a transaction of its caller.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Sequence

from supervisor._checkpoints import rows, tables
from supervisor._checkpoints.database import Cursor, Database
from supervisor._checkpoints.rows import RunRow, to_column
from supervisor._checkpoints.store import NewRun, RunStatus
from supervisor._core.errors import RunNotFound

_SELECT = """SELECT id, status, team, turn, attempts, failures, fence, owner, lease_until,
    cancel_requested, stop_reason, error, created, updated,
    CASE WHEN lease_until IS NULL THEN NULL WHEN lease_until >= sv_now() THEN 1 ELSE 0 END
    FROM sv_run """
_OF_ID = _SELECT + "WHERE id = ?"
_OF_ID_LOCKED = _OF_ID + " FOR UPDATE"
_NUMBER = re.compile("[0-9]{1,19}")
_OF_STATUS = _SELECT + "WHERE status = ?"


def find(database: Database, run_id: str, *, is_locked: bool = False) -> RunRow:
    """Return a run; raise `RunNotFound` where it is not there."""
    sql = _OF_ID_LOCKED if is_locked else _OF_ID
    found = database.do(sql, (to_column(run_id),)).fetchone()
    if found is None:
        raise RunNotFound(run_id, database.url)
    return rows.run_row(found)


def of_statuses(database: Database, statuses: Collection[RunStatus]) -> Sequence[Sequence[object]]:
    """Return the columns of the runs of some statuses; for all of them, also of damaged ones."""
    if len(statuses) == len(RunStatus):
        return database.do(_SELECT).fetchall()
    found = [database.do(_OF_STATUS, (str(status),)).fetchall() for status in statuses]
    return list(itertools.chain.from_iterable(found))


def insert(database: Database, run_id: str, new: NewRun) -> bool:
    """Put a run there that is queued; return False where one of that id is there.

    Its first fence is larger than each that a forgotten run of the same id gave out.
    """
    done = database.do(
        """INSERT INTO sv_run (id, status, team, shape, task, task_digest, turn, attempts, failures,
            fence, cancel_requested, created, updated)
        VALUES (?, 'queued', ?, ?, ?, ?, 0, 0, 0,
            (SELECT COALESCE(MAX(CAST(value AS BIGINT)), 0) FROM sv_meta WHERE key = 'fence'),
            0, sv_now(), sv_now())
        ON CONFLICT (id) DO NOTHING""",
        (
            to_column(run_id),
            to_column(new.team),
            new.shape,
            new.task,
            rows.task_digest(run_id, new),
        ),
    )
    return done.rowcount == 1


def take(database: Database, row: RunRow, owner: str, lease: float | None) -> None:
    """Give a run to an owner. That the last one has died counts as a failure."""
    has_died = row.info.status is RunStatus.RUNNING
    error = f"its owner, {row.info.owner}, died" if has_died else row.info.error
    database.do(
        """UPDATE sv_run SET status = 'running', owner = ?, lease_until = sv_now() + ?,
            fence = fence + 1, attempts = attempts + 1, failures = failures + ?,
            stop_reason = NULL, error = ?, updated = sv_now()
        WHERE id = ?""",
        (
            to_column(owner),
            lease,
            int(has_died),
            None if error is None else to_column(error),
            to_column(row.info.id),
        ),
    )


def lengthen(database: Database, run_id: str, owner: str, fence: int, lease: float) -> None:
    """Lengthen the lease of a run, if it is still this owner's."""
    database.do(
        "UPDATE sv_run SET lease_until = sv_now() + ? WHERE id = ? AND owner = ? AND fence = ?",
        (lease, to_column(run_id), to_column(owner), fence),
    )


def wants_cancel(database: Database, run_id: str, owner: str, fence: int) -> bool | None:
    """Tell whether a run is to be cancelled; None where it is not this owner's."""
    found: Cursor = database.do(
        "SELECT cancel_requested FROM sv_run WHERE id = ? AND owner = ? AND fence = ?",
        (to_column(run_id), to_column(owner), fence),
    )
    row = found.fetchone()
    return None if row is None else bool(row[0])


def request_cancel(database: Database, run_id: str) -> None:
    """Note that a run is to be cancelled."""
    database.do("UPDATE sv_run SET cancel_requested = 1 WHERE id = ?", (to_column(run_id),))


def set_status(database: Database, run_id: str, status: RunStatus) -> None:
    """Set the status of a run that nobody has; whoever had it cannot write any more."""
    database.do(
        """UPDATE sv_run SET status = ?, owner = NULL, lease_until = NULL, fence = fence + 1,
            cancel_requested = 0, failures = 0, stop_reason = NULL, error = NULL,
            updated = sv_now()
        WHERE id = ?""",
        (str(status), to_column(run_id)),
    )


def remove(database: Database, run_id: str) -> None:
    """Remove all of a run, and note the largest fence that it gave out."""
    key = (to_column(run_id),)
    database.lock_tables()  # so that of two at once the larger one is noted in the end
    (fence,) = database.do("SELECT fence FROM sv_run WHERE id = ?", key).fetchone()
    noted = tables.meta(database, "fence") or ""
    if isinstance(fence, int) and fence > (int(noted) if _NUMBER.fullmatch(noted) else 0):
        tables.put_meta(database, "fence", str(fence))
    database.do("DELETE FROM sv_entry WHERE run_id = ?", key)
    database.do("DELETE FROM sv_call WHERE run_id = ?", key)
    database.do("DELETE FROM sv_run WHERE id = ?", key)
