"""What a store of runs does, and the data that goes in and out of it.

A store keeps rows: one for each run, one for each item of a run's logs, one for each tool call. It
knows who owns a run, and refuses what somebody writes who has lost it. It knows nothing of AutoGen:
what a row says is JSON text that others have made.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol


class RunStatus(enum.StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    """Nobody's, and wants an owner: a fleet takes it."""
    RUNNING = "running"
    """Somebody's. Where no owner is told, its owner has died."""
    STOPPED = "stopped"
    """At rest: the same call goes on with it, and a fleet does not."""
    COMPLETED = "completed"
    """It has come to its own end."""
    FAILED = "failed"
    """Its last owner met an error. The same call goes on with it."""
    CANCELLED = "cancelled"
    """Nobody goes on with it."""


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What a store tells of a run.

    Times are seconds since 1970, by the clock of the store.
    """

    id: str
    status: RunStatus
    team: str
    """The name of the team or the agent."""
    turn: int
    """How many turns are finished and kept."""
    attempts: int
    """How many owners it has had."""
    failures: int
    """How many of them, one after the other, have met an error or died without a finished turn."""
    owner: str | None
    """Who has it and lives; None where nobody does."""
    held_until: float | None
    """When the lease ends; None where nobody has it, or where the kernel tells of owners."""
    is_cancel_requested: bool
    stop_reason: str | None
    error: str | None
    """The last error of an owner, in one line."""
    created: float
    updated: float


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A run that does not exist yet.

    Args:
        team: The name of the team or the agent.
        shape: Of which classes it consists, as JSON text.
        task: What it is given, as JSON text.
    """

    team: str
    shape: str
    task: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a log.

    Args:
        log: The log's name, as "thread" or "context:writer".
        pos: Its place, from 0. A row that is there already is replaced.
        body: JSON text, ASCII only.
    """

    log: str
    pos: int
    body: str


CallKind = Literal["tool", "code", "input"]


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """A tool call that has begun, code that is executed, or what a user has answered.

    Args:
        id: Unique within the run.
        kind: Which of the three.
        turn: The number of turns that were finished when it began.
        agent: The name of the agent that makes it.
        tool: The name of the tool.
        arguments: JSON text.
        fence: The fence under which it began.
        result: JSON text; None as long as there is none.
    """

    id: str
    kind: CallKind
    turn: int
    agent: str
    tool: str
    arguments: str
    fence: int
    result: str | None = None


@dataclass(frozen=True, kw_only=True)
class End:
    """How an owner leaves a run.

    Args:
        status: What it is from now on; not RUNNING.
        stop_reason: Why, in words.
        error: The error that its owner met, in one line. It counts as a failure.
        attempts: A run that is left QUEUED is FAILED instead once it has failed so often; None: it
            is QUEUED in any case.
    """

    status: RunStatus
    stop_reason: str | None = None
    error: str | None = None
    attempts: int | None = None


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What one transaction writes.

    Args:
        expects: The turn at which the store's row must stand.
        turn: The turn at which it stands afterwards.
        state: The small rest, as JSON text, with the length of each log; None leaves it.
        digest: What proves that text; None leaves it.
        entries: New rows of logs. Rows beyond a log's length are not there.
        calls: Calls that have begun, or have a result now; by their ids.
        dropped: The ids of calls whose records go: they were cancelled before they began, or the
            state has their results.
        end: Gives the run up, in the same transaction. Where somebody wants it to be cancelled and
            it is not completed, it is cancelled whatever this says.
    """

    expects: int
    turn: int
    state: str | None = None
    digest: str | None = None
    entries: Sequence[Entry] = ()
    calls: Sequence[CallRecord] = ()
    dropped: Sequence[str] = ()
    end: End | None = None


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """All that is kept of a run.

    Args:
        info: What it is.
        shape: JSON text.
        task: JSON text.
        state: JSON text; None before the first commit.
        digest: What proves it.
        logs: The bodies of each log's rows, in order, also those beyond the log's length.
        calls: The calls, in the order in which they began.
    """

    info: RunInfo
    shape: str
    task: str
    state: str | None
    digest: str | None
    logs: Mapping[str, Sequence[str]]
    calls: Sequence[CallRecord] = ()


@dataclass(frozen=True, kw_only=True)
class Acquired:
    """What a caller who wants a run has got.

    Args:
        info: The run as it was before: RUNNING, where its owner has died.
        fence: The number that proves ownership, larger than any before; None where the run is not
            to be owned: it is completed or cancelled. One whose owner died with a request to
            cancel it is cancelled here.
    """

    info: RunInfo
    fence: int | None


@dataclass(frozen=True)
class Renewal:
    """What a renewal tells.

    Args:
        lost: The ids of the runs that are somebody else's, or nobody's, by now.
        cancelled: The ids of those that somebody wants to be cancelled.
    """

    lost: frozenset[str] = field(default_factory=frozenset[str])
    cancelled: frozenset[str] = field(default_factory=frozenset[str])


class CheckpointStore(Protocol):
    """A store of runs. Its methods are plain functions that may wait for a disk or a network.

    One object is used by one thread. Each method may raise `StoreUnavailable` where the store does
    not answer, and `CheckpointTooNew` where a newer version has written it.
    """

    url: str
    """Where it is, without a password; for messages."""
    sees_owners: bool
    """Whether the kernel tells if an owner lives; else its lease does.

    Where the kernel tells, an owner keeps its runs as long as its process lives, also while it is
    stopped (SIGSTOP), and no lease is written.
    """

    def setup(self) -> None:
        """Make the tables, where they are not there. Any number of processes may do so at once."""
        ...

    def clone(self) -> CheckpointStore:
        """Return another object on the same store, for another thread."""
        ...

    def close(self) -> None:
        """Let go of it.

        A run that this object has taken and not given up is free at once where the kernel tells of
        owners; elsewhere it stays owned until its lease ends.
        """
        ...

    def submit(self, run_id: str, new: NewRun) -> bool:
        """Put a run there that is queued; return False where one of that id is there."""
        ...

    def acquire(
        self, run_id: str, owner: str, lease: float, *, new: NewRun | None = None
    ) -> Acquired:
        """Take a run, in one transaction; make it where it is not there and `new` is given.

        Args:
            run_id: The run.
            owner: Who takes it: unique for each supervisor, in any process on any machine.
            lease: For how many seconds.
            new: What it is, where it is to be begun.

        Raises:
            RunHeld: Somebody has it.
            RunNotFound: It is not there.
        """
        ...

    def renew(self, owner: str, fences: Mapping[str, int], lease: float) -> Renewal:
        """Lengthen the leases of runs, by their ids and fences."""
        ...

    def commit(self, run_id: str, fence: int, commit: Commit) -> None:
        """Write what is new of a run, in one transaction.

        Raises:
            LeaseLost: The run is not this owner's any more, or stands at another turn.
        """
        ...

    def load(self, run_id: str) -> StoredRun:
        """Read all of a run.

        Raises:
            RunNotFound: It is not there.
            CheckpointCorrupt: A row is of another type.
        """
        ...

    def info(self, run_id: str) -> RunInfo:
        """Tell what a run is; raise `RunNotFound` where it is not there."""
        ...

    def list(self, statuses: Iterable[RunStatus] | None = None) -> list[RunInfo]:
        """Tell of all runs, or of those of these statuses, the last updated first."""
        ...

    def wanting(self) -> Sequence[str]:
        """Return the ids of the runs that want an owner: queued, or left by one that has died."""
        ...

    def request_cancel(self, run_id: str) -> RunStatus:
        """Cancel a run: at once where nobody has it, else its owner is told at the next renewal.

        Returns:
            Its status now: CANCELLED, RUNNING, or COMPLETED where it is too late.

        Raises:
            RunNotFound: It is not there.
        """
        ...

    def requeue(self, run_id: str) -> None:
        """Put a run that is at rest into the queue, and forget its failures and its cancellation.

        Raises:
            RunHeld: Somebody has it.
            RunNotFound: It is not there.
            UsageError: It is completed.
        """
        ...

    def forget(self, run_id: str) -> None:
        """Remove all of a run.

        Raises:
            RunHeld: Somebody has it.
            RunNotFound: It is not there.
        """
        ...

    @property
    def has_fleet(self) -> bool:
        """Whether workers serve this store: a run whose process stops is then queued."""
        ...

    def note_fleet(self) -> None:
        """Note that workers serve this store."""
        ...
