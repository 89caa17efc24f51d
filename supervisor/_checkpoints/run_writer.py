"""Writes one run: what waits is joined to one transaction, and tried again while there is time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from supervisor._checkpoints.batch import Batch, Change
from supervisor._checkpoints.integrity import Sealed
from supervisor._checkpoints.lease import Lease
from supervisor._checkpoints.snapshot import Snapshot
from supervisor._checkpoints.store import CheckpointStore, Commit
from supervisor._checkpoints.store_thread import StoreThread, raisable
from supervisor._core.errors import LeaseLost, StoreUnavailable

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0


class RunWriter:
    """Writes what changes of one run, in order, in the thread of its store.

    Args:
        thread: Where it is written.
        run_id: The run.
        owner: Who has it.
        fence: What proves that.
        turn: The turn at which the store's row stands.
        lease: How long the run is ours.
        seal: Makes text of a snapshot.
        on_error: Called in that thread when no more can be written, with the error.
    """

    def __init__(
        self,
        thread: StoreThread,
        run_id: str,
        owner: str,
        fence: int,
        turn: int,
        lease: Lease,
        seal: Callable[[Snapshot], Sealed],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._thread = thread
        self._run_id = run_id
        self._owner = owner
        self._fence = fence
        self._turn = turn
        self._lease = lease
        self._seal = seal
        self._on_error = on_error
        self._waiting: deque[Change] = deque()
        self._unwritten: Batch | None = None
        self._is_due = False
        self._error: BaseException | None = None
        self._is_abandoned = False

    def put(self, change: Change, *, may_wait: bool = False) -> None:
        """Have a change written.

        Args:
            change: Adds it to what is written next.
            may_wait: Whether it is enough to write it together with the next one.
        """
        self._waiting.append(change)
        if self._is_due or may_wait:
            return
        self._is_due = True
        if not self._thread.post(self._write):
            self._fail(LeaseLost(self._run_id))  # a fork; or the block was left without it
            self._write()

    def abandon(self) -> None:
        """Try nothing again from here on."""
        self._is_abandoned = True
        self._thread.wake()

    def try_once_more(self, *, with_all: bool) -> None:
        """Write again after an error, but try nothing twice; not where the run is lost.

        Args:
            with_all: Whether what could not be written goes with what follows, which needs it.
        """
        if self._error is not None and not isinstance(self._error, LeaseLost):
            self._error, self._is_abandoned = None, True
            if not with_all:
                self._unwritten = None

    def stop(self, error: BaseException) -> None:
        """Write no more; whoever waits for it gets this error."""
        self._error = self._error or error

    # -- in the thread --------------------------------------------------------------------------

    def _write(self) -> None:
        self._is_due = False
        batch = self._unwritten = self._unwritten or Batch(self._seal, self._turn)
        try:
            while self._waiting:
                self._waiting.popleft()(batch)
            if self._error is None:
                batch.seal()
                self._save(batch)
        except BaseException as error:  # noqa: BLE001 - the run ends with it
            self._fail(raisable(error, self._thread.store.url))
        batch.tell(self._error)

    def _save(self, batch: Batch) -> None:
        store = self._thread.ready()
        if batch.is_needed:
            self._commit(store, batch)
        self._unwritten, self._turn = None, batch.turn
        if batch.begins_calls and self._lease.is_over:  # its tools may start, if nobody has it
            self._renew(store)

    def _commit(self, store: CheckpointStore, batch: Batch) -> None:
        pause, commit = _FIRST_PAUSE, None
        # A lease may be renewed all the same: a disk that is full can be read.
        until = self._lease.clock() + self._lease.patience
        while True:
            is_first = commit is None
            try:
                commit = commit or batch.commit(lambda: store.has_fleet)
                store.commit(self._run_id, self._fence, commit)
            except StoreUnavailable:
                if self._has_no_time(until):
                    raise
                self._thread.pause(pause, lambda: self._is_abandoned)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except LeaseLost:
                if is_first or commit is None or not self._was_written(store, commit):
                    raise
                return
            else:
                return

    def _has_no_time(self, until: float) -> bool:
        """Return whether nothing is tried again."""
        is_late = self._lease.is_ending or self._lease.clock() >= until
        return is_late or self._is_abandoned or self._thread.is_closed

    def _was_written(self, store: CheckpointStore, commit: Commit) -> bool:
        """Return whether it was written by a try whose answer did not come through."""
        info = store.info(self._run_id)
        if commit.end is not None:
            return info.owner is None and info.status is commit.end.status
        return info.owner == self._owner and info.turn == commit.turn > commit.expects

    def _renew(self, store: CheckpointStore) -> None:
        asked = self._lease.clock()
        renewal = store.renew(self._owner, {self._run_id: self._fence}, self._lease.seconds)
        if self._run_id in renewal.lost:
            raise LeaseLost(self._run_id)
        self._lease.renew(asked)

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
            self._on_error(error)
