"""Renews the leases of a supervisor's runs, in a thread of its own.

Not the watchdog's thread: that one must never wait for a disk or a network, because it carries out
the ladder. This one waits for nothing else, so a blocked loop does not lose a lease. From ABANDON
on nothing is renewed: what refuses to end is given up, and somebody else may have its run.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from typing import Final

from supervisor._checkpoints.batch import at_rest
from supervisor._checkpoints.owned_run import OwnedRun
from supervisor._checkpoints.store import CheckpointStore, Commit, End, RunStatus
from supervisor._checkpoints.store_thread import close, gone, raisable
from supervisor._reports import log_events
from supervisor._reports.log import reporter

LONGEST_SECONDS: Final = 0.5
"""How long a request to cancel a run may go unheard, beside the store's own time."""


_DROPPED: Final = End(status=RunStatus.QUEUED, stop_reason="Its event loop was closed")


class LeaseRenewer:
    """Renews leases, and hears who has lost a run and what is to be cancelled.

    Args:
        make_store: Returns a store object for the thread.
        seconds: How long a lease is.
        is_allowed: Returns whether leases are renewed still.
    """

    def __init__(
        self,
        make_store: Callable[[], CheckpointStore],
        seconds: float,
        is_allowed: Callable[[], bool],
    ) -> None:
        self._make_store = make_store
        self.owner: str | None = None
        """Whose leases they are; known once there is one."""
        self._seconds = seconds
        self._is_allowed = is_allowed
        self._pid = os.getpid()
        self._runs: dict[str, OwnedRun] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._is_down = False

    def add(self, run: OwnedRun) -> None:
        """Keep a run ours."""
        with self._changed:
            self._runs[run.id] = run
            if self._thread is None:
                name = "supervisor-leases"
                self._thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def remove(self, run_id: str) -> None:
        """Renew a run no more."""
        with self._changed:
            self._runs.pop(run_id, None)

    def get(self, run_id: str) -> OwnedRun | None:
        """Return the run of this id that is ours."""
        return self._runs.get(run_id)

    def close(self) -> None:
        """Have the thread end, and nothing renewed any more."""
        if os.getpid() == self._pid:
            with self._changed:
                self._is_closed = True
                self._changed.notify_all()

    async def aclose(self) -> None:
        """Do the same, and wait for it."""
        self.close()
        if os.getpid() == self._pid:
            await gone(self._thread)

    # -- in the thread --------------------------------------------------------------------------

    def _work(self) -> None:
        store = self._make_store()
        period = min(LONGEST_SECONDS, self._seconds / 3)
        try:
            while self._wait(period):
                self.look(store)
        finally:
            close(store)

    def _wait(self, period: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._runs or self._is_closed)
            return not self._changed.wait_for(lambda: self._is_closed, period)

    def look(self, store: CheckpointStore) -> None:
        """Renew the leases once, where that is allowed; give up what was not renewed in time."""
        if self._is_allowed():
            self._give_back_dropped(store)
            self._renew(store)
        self._look_at_the_time()

    def _give_back_dropped(self, store: CheckpointStore) -> None:
        """Give up the runs whose loop was closed around them, as their death would."""
        with self._changed:
            dropped = [run for run in self._runs.values() if run.is_dropped]
        for run in dropped:
            with contextlib.suppress(Exception):  # it is tried again at the next look
                info = store.info(run.id)
                end = at_rest(_DROPPED, lambda: store.has_fleet)
                store.commit(run.id, run.fence, Commit(expects=info.turn, turn=info.turn, end=end))
                self.remove(run.id)

    def _renew(self, store: CheckpointStore) -> None:
        with self._changed:
            runs = dict(self._runs)
        if not runs:
            return
        assert self.owner is not None, "it has taken them"
        asked = next(iter(runs.values())).lease.clock()
        try:
            fences = {run.id: run.fence for run in runs.values()}
            renewal = store.renew(self.owner, fences, self._seconds)
            lost, cancelled = frozenset(renewal.lost), frozenset(renewal.cancelled)
        except BaseException as error:  # noqa: BLE001 - a store of the user's may raise anything
            self._note_down(runs.values(), raisable(error, store.url), store.url)
            return
        self._is_down = False
        for run in runs.values():
            if run.id in lost:
                if not run.is_given_up:  # else it is nobody's by now; its writer knows better
                    self._drop(run, None)
            else:
                run.lease.renew(asked)
            if run.id in cancelled:
                run.tell_cancel()

    def _note_down(self, runs: Iterable[OwnedRun], error: BaseException, url: str) -> None:
        """Go on as long as there is time; then have the runs stopped in order."""
        if not self._is_down:
            self._is_down = True
            reporter.event(log_events.STORE_UNAVAILABLE, store=url, exc_info=error)
        for run in runs:
            if run.lease.is_ending:
                self._drop(run, error)

    def _look_at_the_time(self) -> None:
        """Give up what was not renewed in time: somebody else may have it by now."""
        with self._changed:
            over = [run for run in self._runs.values() if run.lease.is_over]
        for run in over:
            self._drop(run, None)

    def _drop(self, run: OwnedRun, error: BaseException | None) -> None:
        with self._changed:
            if self._runs.get(run.id) is not run:
                return  # it was given up meanwhile
            del self._runs[run.id]
        run.lose(error)
