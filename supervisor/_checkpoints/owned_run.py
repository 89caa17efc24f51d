"""A run that this process owns: what is written of it, and what its owner is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from supervisor._checkpoints.batch import Batch
from supervisor._checkpoints.integrity import Sealed
from supervisor._checkpoints.lease import Lease
from supervisor._checkpoints.run_writer import RunWriter
from supervisor._checkpoints.snapshot import Kept, Snapshot
from supervisor._checkpoints.store import CallRecord, End, RunInfo, StoredRun
from supervisor._checkpoints.store_thread import Outcome, StoreThread
from supervisor._core.errors import LeaseLost


@dataclass(frozen=True, kw_only=True)
class AcquiredRun:
    """A run that was asked for, with what the store has of it.

    Args:
        info: What it was before it was taken.
        stored: All of it.
        kept: The same, checked and parsed; None where nothing was finished yet.
        fence: What proves that it is ours; None where it is over.
        asked: When it was asked for, by this process's clock.
        seal: Makes text of its next snapshots.
    """

    info: RunInfo
    stored: StoredRun
    kept: Kept | None
    fence: int | None
    asked: float
    seal: Callable[[Snapshot], Sealed]


class OwnedRun:
    """A run that this process owns, from when it is taken until it is given up.

    Args:
        found: What was read of it as it was taken.
        owner: Who has it.
        lease: How long it is ours.
        thread: Where it is written.
        writes_late: Whether everything is written with the end.
    """

    def __init__(
        self,
        found: AcquiredRun,
        owner: str,
        lease: Lease,
        thread: StoreThread,
        *,
        writes_late: bool,
    ) -> None:
        assert found.fence is not None, "it was taken"
        self.id: str = found.info.id
        self.fence: int = found.fence
        self.info: RunInfo = found.info
        self.lease = lease
        self.on_failed: Callable[[BaseException], None] = lambda _: None
        self.on_cancel: Callable[[], None] = lambda: None
        self.has_failed: bool = False
        self.is_given_up: bool = False
        self._loop = asyncio.get_running_loop()
        self._thread = thread
        self._writes_late = writes_late
        self._records = {call.id: call for call in found.stored.calls}
        turn = found.stored.info.turn
        self._writer = RunWriter(
            thread, self.id, owner, self.fence, turn, lease, found.seal, self._tell_failed
        )

    # -- in the loop ----------------------------------------------------------------------------

    @property
    def may_act(self) -> bool:
        """Whether the lease is not over: no tool starts after its end."""
        return not self.has_failed and not self.lease.is_over and self._thread.is_ours

    def commit(self, snapshot: Snapshot, open_calls: Collection[str]) -> None:
        """Have a boundary written; it is not waited for.

        Args:
            snapshot: Where the run stands.
            open_calls: The calls whose records are needed still; the others go.
        """
        over = [call_id for call_id in self._records if call_id not in open_calls]
        for call_id in over:
            del self._records[call_id]

        def change(batch: Batch) -> None:
            batch.add_snapshot(snapshot)
            for call_id in over:
                batch.drop_call(call_id)

        self._writer.put(change, may_wait=self._writes_late)

    def begin_calls(self, snapshot: Snapshot, calls: Sequence[CallRecord]) -> asyncio.Future[None]:
        """Have calls written, with all that precedes them."""
        self._records.update((call.id, call) for call in calls)
        outcome = Outcome[None](self._loop)

        def change(batch: Batch) -> None:
            batch.add_waiter(outcome)
            batch.add_snapshot(snapshot)
            batch.add_calls(calls)

        self._writer.put(change)
        return outcome.future

    def end_call(self, call_id: str, result: str) -> None:
        """Have the result of a call written, as JSON text."""
        if call_id not in self._records:
            return  # its turn is over
        record = self._records[call_id] = replace(self._records[call_id], result=result)
        self._writer.put(lambda batch: batch.add_calls([record]))

    def drop_call(self, call_id: str) -> None:
        """Have a call taken back that has not begun."""
        self._records.pop(call_id, None)
        self._writer.put(lambda batch: batch.drop_call(call_id))

    def when_durable(self) -> Outcome[None]:
        """Return what is done once all of that is durable."""
        outcome = Outcome[None](self._loop)
        self._writer.put(lambda batch: batch.add_waiter(outcome))
        return outcome

    def give_up(self, end: End, snapshot: Snapshot | None = None) -> Outcome[None]:
        """Have what is left written, and the run given up, in one transaction.

        Args:
            end: How it is left.
            snapshot: Where it has come to.
        """
        self.is_given_up = True
        outcome = Outcome[None](self._loop)
        self._writer.try_once_more(with_all=snapshot is not None)

        def change(batch: Batch) -> None:
            batch.add_waiter(outcome)
            if snapshot is not None:
                batch.add_snapshot(snapshot)
            batch.add_end(end)

        self._writer.put(change)
        return outcome

    def abandon(self) -> None:
        """Try nothing again from here on."""
        self._writer.abandon()

    def _failed(self, error: BaseException) -> None:
        if not self.has_failed:
            self.has_failed = True
            self.on_failed(error)

    def _cancelled(self) -> None:
        self.on_cancel()

    @property
    def is_dropped(self) -> bool:
        """Whether its loop was closed around it: nobody here ever ends it."""
        return self._loop.is_closed()

    # -- in other threads -----------------------------------------------------------------------

    def lose(self, error: BaseException | None = None) -> None:
        """Note that it is not ours any more, or that the store is gone."""
        found = error if error is not None else LeaseLost(self.id)
        self._writer.stop(found)
        self._tell_failed(found)

    def tell_cancel(self) -> None:
        """Note that somebody wants it to be cancelled."""
        self._call_soon(self._cancelled)

    def _tell_failed(self, error: BaseException) -> None:
        self._call_soon(lambda: self._failed(error))

    def _call_soon(self, call: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call)
