"""The runs that one supervisor keeps: its store, its name there, and the runs that it owns."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable
from typing import Final, TypeVar

from supervisor._checkpoints.batch import at_rest
from supervisor._checkpoints.integrity import Sealer
from supervisor._checkpoints.lease import Lease, now
from supervisor._checkpoints.lease_renewer import LeaseRenewer
from supervisor._checkpoints.owned_run import AcquiredRun, OwnedRun
from supervisor._checkpoints.owners import owner_name
from supervisor._checkpoints.settings import KeepingSettings
from supervisor._checkpoints.store import (
    Acquired,
    CheckpointStore,
    Commit,
    End,
    NewRun,
    RunInfo,
    RunStatus,
)
from supervisor._checkpoints.store_thread import Outcome, StoreThread
from supervisor._core.errors import RunHeld

T = TypeVar("T")

_LEAVE_SECONDS: Final = 1.0  # for the threads, as the block is left: they have nothing to do then
TRY_SECONDS: Final = 0.2
"""How long to wait between two tries to take a run that somebody has."""


class KeptRuns:
    """What a supervisor has of runs that are kept; nothing of it starts before it is needed.

    Args:
        settings: How they are kept.
        margin: How many seconds a stop of a run may take.
        is_allowed: Returns whether leases are renewed still.
    """

    def __init__(
        self, settings: KeepingSettings, margin: float, is_allowed: Callable[[], bool]
    ) -> None:
        self.settings = settings
        self.store_url: str = settings.store.url
        self.owner: str = "this Supervisor"
        """Its name in the store, once it has asked for a run; for messages."""
        self._margin = margin
        # Not the user's own object, which others may use, and which is not ours to close.
        self._thread = StoreThread(settings.store.clone(), "supervisor-checkpoints")
        self._renewer = LeaseRenewer(settings.store.clone, settings.lease, is_allowed)
        self._taken: dict[str, Callable[[], bool]] = {}  # each with whether it is ending

    def call(self, job: Callable[[CheckpointStore], T]) -> Outcome[T]:
        """Have something done with the store, in its thread."""
        return self._thread.call(job)

    def do(self, job: Callable[[], T]) -> Outcome[T]:
        """Have something done in that thread that takes too long for the loop."""
        return self._thread.call(lambda _store: job())

    def patience(self, wait: float | None) -> float:
        """Return for how many seconds to wait where somebody has a run.

        Args:
            wait: What the user gives; None: the lease, where owners cannot be seen, else 0.
        """
        if wait is not None:
            return wait
        return 0.0 if self.settings.store.sees_owners else self.settings.lease

    def take(
        self, run_id: str, new: NewRun | None, is_ending: Callable[[], bool]
    ) -> Outcome[AcquiredRun]:
        """Take a run, or find that it is over.

        It fails with `RunHeld` where another supervisor has it, and with `RunNotFound` where it is
        not there and nothing is given to begin it with.

        Args:
            run_id: The run.
            new: What it is, where it is not there.
            is_ending: Tells whether it was told to stop, so that it is worth while to wait for it.

        Raises:
            RunHeld: This supervisor has it.
        """
        if run_id in self._taken:
            raise RunHeld(run_id, self.owner)
        self._taken[run_id] = is_ending
        outcome = self._thread.call(functools.partial(self._take, run_id, new))
        outcome.future.add_done_callback(functools.partial(self._forget_failed, run_id))
        return outcome

    def is_ending(self, run_id: str) -> bool:
        """Return whether this supervisor has a run that was told to stop."""
        ending = self._taken.get(run_id)
        return ending is not None and ending()

    def _forget_failed(self, run_id: str, future: asyncio.Future[AcquiredRun]) -> None:
        if future.cancelled() or future.exception() is not None:
            self._taken.pop(run_id, None)

    def _take(self, run_id: str, new: NewRun | None, store: CheckpointStore) -> AcquiredRun:
        asked = now()
        acquired = store.acquire(run_id, self.name(), self.settings.lease, new=new)
        try:
            stored = store.load(run_id)
            sealer = Sealer(run_id)
            kept = sealer.check(stored)
        except BaseException:
            self._give_back(store, acquired)
            raise
        return AcquiredRun(
            info=acquired.info,
            stored=stored,
            kept=kept,
            fence=acquired.fence,
            asked=asked,
            seal=sealer.seal,
        )

    def name(self) -> str:
        """Return its name in the store; in the store's thread, for it reads /proc."""
        if self._renewer.owner is None:
            self.owner = self._renewer.owner = owner_name()
        return self.owner

    def _give_back(self, store: CheckpointStore, acquired: Acquired) -> None:
        info = acquired.info
        if acquired.fence is None:
            return
        end = at_rest(end_as_before(info), lambda: store.has_fleet)
        with contextlib.suppress(Exception):  # the lease runs out; what was raised is told
            commit = Commit(expects=info.turn, turn=info.turn, end=end)
            store.commit(info.id, acquired.fence, commit)

    def own(self, found: AcquiredRun) -> OwnedRun:
        """Own a run that was taken."""
        is_told = self.settings.store.sees_owners
        lease = Lease(self.settings.lease, self._margin, found.asked, ends=not is_told)
        writes_late = self.settings.durability == "exit"
        run = OwnedRun(found, self.owner, lease, self._thread, writes_late=writes_late)
        self._renewer.add(run)
        return run

    def renew_no_more(self, run_id: str) -> None:
        """Let the lease of a run end, which refuses to end by itself."""
        self._renewer.remove(run_id)

    def let_go(self, run_id: str) -> None:
        """Forget a run that was taken, and is over or given up."""
        self._taken.pop(run_id, None)
        self._renewer.remove(run_id)

    async def cancel(self, run_id: str) -> RunStatus:
        """Have a run cancelled, wherever it is at work.

        Raises:
            RunNotFound: It is not there.
        """
        status = await self.call(lambda store: store.request_cancel(run_id))
        run = self._renewer.get(run_id)
        if run is not None:
            run.tell_cancel()
        return status

    def close(self) -> None:
        """End the threads; what is still owned is left to its lease."""
        self._renewer.close()
        self._thread.close()

    async def aclose(self) -> None:
        """Do the same, and wait for it, unless the store hangs."""
        self.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._renewer.aclose()
                await self._thread.aclose()


def end_as_before(info: RunInfo) -> End:
    """Return what leaves a run as it was before it was taken."""
    status = RunStatus.QUEUED if info.status is RunStatus.RUNNING else info.status
    return End(status=status, stop_reason=info.stop_reason)
