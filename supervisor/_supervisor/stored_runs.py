"""The runs in a store, for a program that runs none of them: to list, cancel and forget them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final

from supervisor._checkpoints.store import CheckpointStore, RunInfo, RunStatus, StoredRun
from supervisor._core.errors import SettingsError

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable

_STATUS: Final = f"give one of {', '.join(repr(str(status)) for status in RunStatus)}"


class StoredRuns:
    """The runs in a store; a context manager that lets go of the store.

    Each method may wait for a disk or a network, and raises `StoreUnavailable` where the store does
    not answer.

    Args:
        store: The store.

    Example:
        ```python
        with checkpoints.open("sqlite:///runs.db") as runs:
            print(runs.list(status="stopped"))
        ```
    """

    def __init__(self, store: CheckpointStore) -> None:
        self.store = store
        """The store itself, for what is not said here."""
        self._is_set_up = False

    def __enter__(self) -> StoredRuns:
        """Return this."""
        return self

    def __exit__(
        self,
        typ: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of the store."""
        self.close()

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    def get(self, run_id: str) -> RunInfo:
        """Return what is known of a run.

        Raises:
            RunNotFound: It is not there.
        """
        return self._ready().info(run_id)

    def read(self, run_id: str) -> StoredRun:
        """Return all that is kept of a run, as it is stored.

        Raises:
            RunNotFound: It is not there.
            CheckpointCorrupt: What is stored is damaged.
        """
        return self._ready().load(run_id)

    def load(self, team: Runnable, run_id: str) -> None:
        """Put the state of a run that has ended into a team, for a new conversation.

        Args:
            team: A team of the same shape, which is not at work.
            run_id: The run.

        Raises:
            RunNotFound: It is not there.
            UsageError: It has not come to its own end.
            RunMismatch: The team has another shape.
            CheckpointCorrupt: What is stored is damaged.
        """
        from supervisor._autogen.checkpoints.loading import load
        from supervisor._autogen.repair_thread import drive_sync

        drive_sync(load(team, self.read(run_id)))

    def cancel(self, run_id: str) -> RunStatus:
        """Cancel a run, wherever it is at work; nobody goes on with it.

        Returns:
            Its status now: CANCELLED, RUNNING where its owner has still to hear of it, or COMPLETED
            where it is too late.

        Raises:
            RunNotFound: It is not there.
        """
        return self._ready().request_cancel(run_id)

    def forget(self, run_id: str) -> None:
        """Remove all of a run.

        Raises:
            RunHeld: Somebody has it.
            RunNotFound: It is not there.
        """
        self._ready().forget(run_id)

    def wanting(self) -> Sequence[str]:
        """Return the ids of the runs that want an owner: queued, or left by one that has died."""
        return self._ready().wanting()

    def requeue(self, run_id: str) -> None:
        """Put a run that is at rest into the queue, and forget its failures.

        Raises:
            RunHeld: Somebody has it.
            RunNotFound: It is not there.
            UsageError: It is completed.
        """
        self._ready().requeue(run_id)

    def _ready(self) -> CheckpointStore:
        if not self._is_set_up:
            self.store.setup()
            self._is_set_up = True
        return self.store

    # The last one, for in annotations after it `list` would be this.
    def list(
        self, status: RunStatus | str | Iterable[RunStatus | str] | None = None
    ) -> list[RunInfo]:
        """Return what is known of the runs, the last updated first.

        Args:
            status: Which of them: a status as "stopped", or several; None: all.

        Raises:
            SettingsError: There is no such status.
        """
        return self._ready().list(parse_statuses(status))


def parse_statuses(
    status: RunStatus | str | Iterable[RunStatus | str] | None,
) -> list[RunStatus] | None:
    """Return the statuses that are given: one, several, or None for all.

    Raises:
        SettingsError: There is no such status.
    """
    if status is None:
        return None
    given = [status] if isinstance(status, str) else list(status)
    try:
        return [RunStatus(each) for each in given]
    except ValueError:
        raise SettingsError("status", _STATUS, status) from None
