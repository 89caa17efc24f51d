"""The store of a supervisor, as a worker uses it: in the thread that writes its runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

from supervisor._checkpoints.store import CheckpointStore, Commit, End, RunInfo
from supervisor._supervisor.facade import Supervisor, parts_of
from supervisor._supervisor.runs import kept_run_of, run_of

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable
    from supervisor._autogen.messages import Event, TaskResult
    from supervisor._checkpoints.kept_runs import KeptRuns
    from supervisor._core.run import Run

T = TypeVar("T")


class WorkerStore:
    """The store of a supervisor, as a worker uses it.

    Args:
        runs: Those that a supervisor keeps there.
    """

    def __init__(self, runs: KeptRuns) -> None:
        self._runs = runs

    @property
    def lease(self) -> float:
        """For how many seconds a run is owned, unless that is renewed."""
        return self._runs.settings.lease

    def call(self, job: Callable[[CheckpointStore], T]) -> Awaitable[T]:
        """Have something done with the store; what it raises is raised here."""
        return self._runs.call(job)

    async def note_fleet(self) -> None:
        """Have runs that are left as this process stops be queued."""
        if self._runs not in _noted:
            await self.call(_note_fleet)
            _noted.add(self._runs)

    async def info(self, run_id: str) -> RunInfo:
        """Tell what a run is.

        Raises:
            RunNotFound: It is not there.
        """
        return await self.call(lambda store: store.info(run_id))

    async def end(self, run_id: str, end: End) -> None:
        """Take a run and leave it, for an error that came before it was taken.

        Raises:
            RunHeld: Somebody else has it.
        """
        await self.call(lambda store: self._take_and_leave(store, run_id, end))

    def _take_and_leave(self, store: CheckpointStore, run_id: str, end: End) -> None:
        acquired = store.acquire(run_id, self._runs.name(), self.lease)
        if acquired.fence is not None:
            turn = acquired.info.turn
            store.commit(run_id, acquired.fence, Commit(expects=turn, turn=turn, end=end))


def _note_fleet(store: CheckpointStore) -> None:
    if not store.has_fleet:
        store.note_fleet()


_noted: WeakSet[KeptRuns] = WeakSet()
"""Those whose store knows that it has a fleet."""


def store_of(sup: Supervisor, what: str) -> WorkerStore:
    """Return the store of a supervisor.

    Args:
        sup: The supervisor.
        what: What needs the store.

    Raises:
        UsageError: It has none.
    """
    return WorkerStore(parts_of(sup).keeping.runs(what))


def stream(sup: Supervisor, team: Runnable, run_id: str, attempts: int) -> Run[Event, TaskResult]:
    """Return a run of a team that goes on with one that is kept.

    Args:
        sup: The supervisor.
        team: The team.
        run_id: The run.
        attempts: It is queued again after an error, until it has failed so often.

    Raises:
        UsageError: Called outside the block.
        TypeError: `team` cannot be run.
    """
    parts = parts_of(sup)
    parts.scope.check_open("carry_on()")
    kept = kept_run_of(parts.keeping, run_id, 0, allow_changed=False)
    assert kept is not None, "it has an id"
    kept.attempts = attempts
    return run_of(
        parts.scope,
        team,
        None,
        cancellation_token=None,
        output_task_messages=True,
        timeout=None,
        fast_path=parts.settings.fast_path,
        kept=kept,
    )
