"""The statements about what is kept of a run: its state, its logs, its calls.

Each of them stands within a transaction of its caller.
"""

from __future__ import annotations

from supervisor._checkpoints import rows
from supervisor._checkpoints.database import Database
from supervisor._checkpoints.rows import Row, to_column
from supervisor._checkpoints.store import Commit, End, NewRun, RunInfo, StoredRun
from supervisor._core.errors import CheckpointCorrupt, LeaseLost


def write(database: Database, run_id: str, fence: int, commit: Commit) -> None:
    """Write what is new of a run; raise `LeaseLost` where it is not of this fence and turn."""
    _write_state(database, run_id, fence, commit)
    key = to_column(run_id)
    if commit.entries:
        database.do_each(
            "INSERT INTO sv_entry (run_id, log, pos, body) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (run_id, log, pos) DO UPDATE SET body = excluded.body",
            [(key, to_column(entry.log), entry.pos, entry.body) for entry in commit.entries],
        )
    _write_calls(database, run_id, commit)
    if commit.end is not None:
        _write_end(database, run_id, commit.end)


def _write_state(database: Database, run_id: str, fence: int, commit: Commit) -> None:
    """Write the state of a run; a finished turn proves that it does not fail at the same place."""
    done = database.do(
        """UPDATE sv_run SET turn = ?, state = COALESCE(?, state), digest = COALESCE(?, digest),
            failures = CASE WHEN turn < ? THEN 0 ELSE failures END, updated = sv_now()
        WHERE id = ? AND fence = ? AND turn = ? AND owner IS NOT NULL""",
        (
            commit.turn,
            commit.state,
            commit.digest,
            commit.turn,
            to_column(run_id),
            fence,
            commit.expects,
        ),
    )
    if done.rowcount != 1:
        raise LeaseLost(run_id)


def _write_calls(database: Database, run_id: str, commit: Commit) -> None:
    key = to_column(run_id)
    if commit.dropped:
        database.do_each(
            "DELETE FROM sv_call WHERE run_id = ? AND call_id = ?",
            [(key, to_column(call_id)) for call_id in commit.dropped],
        )
    if commit.calls:
        database.do_each(
            """INSERT INTO sv_call (run_id, pos, call_id, kind, turn, agent, tool, arguments, fence,
                result, digest)
            VALUES (?, (SELECT COALESCE(MAX(pos), -1) + 1 FROM sv_call WHERE run_id = ?),
                ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (run_id, call_id) DO UPDATE SET kind = excluded.kind, turn = excluded.turn,
                agent = excluded.agent, tool = excluded.tool, arguments = excluded.arguments,
                fence = excluded.fence, result = excluded.result, digest = excluded.digest""",
            [
                (key, key, *rows.call_columns(call), rows.call_digest(run_id, call))
                for call in commit.calls
            ],
        )


def _write_end(database: Database, run_id: str, end: End) -> None:
    """Give a run up. One that somebody wants to be cancelled is not left to others."""
    status, failed = str(end.status), int(end.error is not None)
    database.do(
        """UPDATE sv_run SET owner = NULL, lease_until = NULL, failures = failures + ?,
            status = CASE WHEN cancel_requested = 1 AND ? <> 'completed' THEN 'cancelled'
                WHEN ? = 'queued' AND failures + ? >= ? THEN 'failed' ELSE ? END,
            stop_reason = ?, error = ?
        WHERE id = ?""",
        (
            failed,
            status,
            status,
            failed,
            end.attempts,
            status,
            None if end.stop_reason is None else to_column(end.stop_reason),
            None if end.error is None else to_column(end.error),
            to_column(run_id),
        ),
    )


def read(database: Database, info: RunInfo) -> StoredRun:
    """Read all of a run; raise `CheckpointCorrupt` where a row is of another type or missing."""
    key = (to_column(info.id),)
    columns = database.do(
        "SELECT shape, task, task_digest, state, digest FROM sv_run WHERE id = ?", key
    ).fetchone()
    entries = database.do(
        "SELECT log, pos, body FROM sv_entry WHERE run_id = ? ORDER BY log, pos", key
    ).fetchall()
    calls = database.do(
        """SELECT call_id, kind, turn, agent, tool, arguments, fence, result, digest
        FROM sv_call WHERE run_id = ? ORDER BY pos""",
        key,
    ).fetchall()
    row = Row(info.id, columns)
    new = NewRun(team=info.team, shape=row.text(), task=row.text())
    if row.text() != rows.task_digest(info.id, new):
        raise CheckpointCorrupt(info.id, "its task is not the one that was written")
    return StoredRun(
        info=info,
        shape=new.shape,
        task=new.task,
        state=row.text_or_none(),
        digest=row.text_or_none(),
        logs=rows.logs_of(info.id, entries),
        calls=[rows.call_record(info.id, call) for call in calls],
    )
