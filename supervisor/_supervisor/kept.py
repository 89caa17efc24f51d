"""`sup.runs`: the runs in a supervisor's store, also those of other processes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from supervisor._supervisor.keeping import Keeping
from supervisor._supervisor.stored_runs import parse_statuses

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable
    from supervisor._checkpoints.store import RunInfo, RunStatus


class Runs:
    """The runs that are kept in a supervisor's store, those of other processes among them.

    Each method works in a thread, and raises `StoreUnavailable` where the store does not answer,
    and `UsageError` where the supervisor has none.
    """

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    async def list(
        self, status: RunStatus | str | Iterable[RunStatus | str] | None = None
    ) -> list[RunInfo]:
        """Return what is known of the runs, the last updated first.

        Args:
            status: Which of them: a status as "stopped", or several; None: all.

        Raises:
            SettingsError: There is no such status.
        """
        statuses = parse_statuses(status)
        return await self._keeping.runs("runs.list()").call(lambda store: store.list(statuses))

    async def load(self, team: Runnable, run_id: str) -> None:
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

        runs = self._keeping.runs("runs.load()")
        await load(team, await runs.call(lambda store: store.load(run_id)), runs.do)

    async def cancel(self, run_id: str) -> RunStatus:
        """Cancel a run, wherever it is at work; nobody goes on with it.

        Where somebody has it, it is stopped there within a second or so.

        Returns:
            Its status now: CANCELLED, RUNNING where it is being stopped, or COMPLETED where it is
            too late.

        Raises:
            RunNotFound: It is not there.
        """
        return await self._keeping.runs("runs.cancel()").cancel(run_id)

    async def forget(self, run_id: str) -> None:
        """Remove all of a run.

        Raises:
            RunHeld: Somebody has it.
            RunNotFound: It is not there.
        """
        await self._keeping.runs("runs.forget()").call(lambda store: store.forget(run_id))
