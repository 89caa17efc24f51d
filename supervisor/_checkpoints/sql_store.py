"""The store of runs in a database that knows SQL: the same for SQLite and PostgreSQL.

What the two do differently is in their `Database`, and in how each knows that an owner lives.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from supervisor._checkpoints import contents, rows, run_table, tables
from supervisor._checkpoints.database import Damaged, Database, Ownership
from supervisor._checkpoints.rows import RunRow
from supervisor._checkpoints.store import (
    Acquired,
    Commit,
    NewRun,
    Renewal,
    RunInfo,
    RunStatus,
    StoredRun,
)
from supervisor._core.errors import CheckpointCorrupt, RunHeld, UsageError

_ENDED = frozenset({RunStatus.COMPLETED, RunStatus.CANCELLED})


class SqlStore:
    """A store of runs; `CheckpointStore` says what each method promises.

    Args:
        database: The connection.
        ownership: How it is known that an owner lives.
    """

    def __init__(self, database: Database, ownership: Ownership) -> None:
        self.url = database.url
        self.sees_owners = ownership.sees_owners
        self._database = database
        self._ownership = ownership

    def close(self) -> None:
        """Let go of it, and of the owners that it has claimed."""
        self._database.close()
        self._ownership.close()

    def setup(self) -> None:
        """Make the tables, where they are not there."""
        tables.set_up(self._database)

    @property
    def has_fleet(self) -> bool:
        """Tell whether workers serve this store."""
        with self._database.reading():
            return tables.meta(self._database, "fleet") is not None

    def note_fleet(self) -> None:
        """Note that workers serve this store."""
        with self._database.writing():
            tables.put_meta(self._database, "fleet", "1")

    def submit(self, run_id: str, new: NewRun) -> bool:
        """Put a run there that is queued."""
        with self._database.writing():
            return run_table.insert(self._database, run_id, new)

    def acquire(
        self, run_id: str, owner: str, lease: float, *, new: NewRun | None = None
    ) -> Acquired:
        """Take a run, in one transaction."""
        self._ownership.claim(owner)
        with self._database.writing():
            return self._take(run_id, owner, lease, new)

    def _take(self, run_id: str, owner: str, lease: float, new: NewRun | None) -> Acquired:
        """Take a run, within a transaction."""
        if new is not None:
            run_table.insert(self._database, run_id, new)
        row = self._free_row(run_id)
        if row.info.status is RunStatus.RUNNING and row.info.is_cancel_requested:
            run_table.set_status(self._database, run_id, RunStatus.CANCELLED)
            return Acquired(info=replace(row.info, status=RunStatus.CANCELLED), fence=None)
        if row.info.status in _ENDED:
            return Acquired(info=row.info, fence=None)
        run_table.take(self._database, row, owner, self._ownership.lease(lease))
        return Acquired(info=row.info, fence=row.fence + 1)

    def renew(self, owner: str, fences: Mapping[str, int], lease: float) -> Renewal:
        """Lengthen the leases of runs."""
        lease_written = self._ownership.lease(lease)
        if lease_written is None:
            with self._database.reading():
                return self._renewal(owner, fences)
        with self._database.writing():
            # In one order, so that two of them do not wait for each other.
            for run_id, fence in sorted(fences.items()):
                run_table.lengthen(self._database, run_id, owner, fence, lease_written)
            return self._renewal(owner, fences)

    def _renewal(self, owner: str, fences: Mapping[str, int]) -> Renewal:
        told = {
            run_id: run_table.wants_cancel(self._database, run_id, owner, fence)
            for run_id, fence in fences.items()
        }
        return Renewal(
            lost=frozenset(run_id for run_id, wants in told.items() if wants is None),
            cancelled=frozenset(run_id for run_id, wants in told.items() if wants),
        )

    def commit(self, run_id: str, fence: int, commit: Commit) -> None:
        """Write what is new of a run, in one transaction."""
        with self._database.writing():
            contents.write(self._database, run_id, fence, commit)

    def load(self, run_id: str) -> StoredRun:
        """Read all of a run."""
        try:
            with self._database.reading():
                info = self._told(run_table.find(self._database, run_id))
                return contents.read(self._database, info)
        except Damaged as error:
            raise CheckpointCorrupt(run_id, error.problem) from error

    def info(self, run_id: str) -> RunInfo:
        """Tell what a run is."""
        with self._database.reading():
            return self._told(run_table.find(self._database, run_id))

    def wanting(self) -> Sequence[str]:
        """Return the ids of the runs that want an owner, those first that have waited longest."""
        found = self._of_statuses([RunStatus.QUEUED, RunStatus.RUNNING])
        # One that is damaged is told as failed: it waits for a person.
        free = (info for info in reversed(found) if info.owner is None)
        return [info.id for info in free if info.status is not RunStatus.FAILED]

    def request_cancel(self, run_id: str) -> RunStatus:
        """Cancel a run: at once where nobody has it."""
        with self._database.writing():
            row = run_table.find(self._database, run_id, is_locked=True)
            if row.info.status in _ENDED:
                return row.info.status
            if self._is_held(row):
                run_table.request_cancel(self._database, run_id)
                return RunStatus.RUNNING
            run_table.set_status(self._database, run_id, RunStatus.CANCELLED)
            return RunStatus.CANCELLED

    def requeue(self, run_id: str) -> None:
        """Put a run that is at rest into the queue."""
        with self._database.writing():
            if self._free_row(run_id).info.status is RunStatus.COMPLETED:
                raise UsageError(
                    f"the run {run_id!r} is completed and cannot be queued; "
                    "forget it to begin it anew"
                )
            run_table.set_status(self._database, run_id, RunStatus.QUEUED)

    def forget(self, run_id: str) -> None:
        """Remove all of a run."""
        with self._database.writing():
            # One that is damaged goes in any case: nobody can go on with it.
            with contextlib.suppress(CheckpointCorrupt):
                self._free_row(run_id)
            run_table.remove(self._database, run_id)

    def _of_statuses(self, statuses: Iterable[RunStatus]) -> Sequence[RunInfo]:
        """Return runs, the last updated first."""
        with self._database.reading():
            found = run_table.of_statuses(self._database, frozenset(statuses))
        told = [self._told(rows.run_row_or_damage(columns)) for columns in found]
        return sorted(told, key=lambda info: (-info.updated, info.id))

    def _free_row(self, run_id: str) -> RunRow:
        """Return a run that nobody has, locked; raise `RunHeld` where somebody has it."""
        row = run_table.find(self._database, run_id, is_locked=True)
        if self._is_held(row):
            raise RunHeld(run_id, str(row.info.owner), row.info.held_until)
        return row

    def _is_held(self, row: RunRow) -> bool:
        owner = row.info.owner
        return owner is not None and self._ownership.lives(owner, is_in_time=row.is_in_time)

    def _told(self, row: RunRow) -> RunInfo:
        """Return what is told of a run: an owner who has died is none."""
        return row.info if self._is_held(row) else replace(row.info, owner=None, held_until=None)

    # The last one, for in annotations after it `list` would be this.
    def list(self, statuses: Iterable[RunStatus] | None = None) -> list[RunInfo]:
        """Tell of all runs, or of those of these statuses."""
        return [*self._of_statuses(RunStatus if statuses is None else statuses)]
