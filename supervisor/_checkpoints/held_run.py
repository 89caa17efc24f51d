"""One run that this process owns, from the moment at which it is taken until it is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from supervisor._checkpoints.snapshot import Kept, Snapshot
from supervisor._checkpoints.store import CallRecord, End, RunInfo


class HeldRun(Protocol):
    """A run that is owned; what is written of it goes to a thread, in this order.

    All of it is called in the loop.
    """

    id: str
    fence: int
    info: RunInfo
    """What it was before it was taken."""
    kept: Kept | None
    """What was read of it; None where nothing was finished yet."""
    calls: Sequence[CallRecord]
    """The calls that were read of it."""
    on_failed: Callable[[BaseException], None]
    """Called once in the loop where no more can be written of it, with the error: `LeaseLost`,
    `StoreUnavailable`."""
    on_cancel: Callable[[], None]
    """Called in the loop when somebody wants it to be cancelled."""

    @property
    def may_act(self) -> bool:
        """Whether the lease is not over: no tool starts after its end."""
        ...

    def commit(self, snapshot: Snapshot) -> None:
        """Have a boundary written; it is not waited for."""
        ...

    def begin_calls(self, snapshot: Snapshot, calls: Sequence[CallRecord]) -> asyncio.Future[None]:
        """Have calls written, with all that precedes them.

        Returns:
            What is done once they are durable. It fails with `LeaseLost` or `StoreUnavailable`.
        """
        ...

    def end_call(self, call_id: str, result: str) -> None:
        """Have the result of a call written, as JSON text."""
        ...

    def drop_call(self, call_id: str) -> None:
        """Have a call taken back that has not begun."""
        ...

    def lose(self, error: BaseException | None = None) -> None:
        """Note that nothing of it may be done any more: `on_failed` is called, unless it was.

        Args:
            error: What it fails with; None is `LeaseLost`.
        """
        ...

    async def durable(self) -> None:
        """Wait until all of that is durable."""
        ...

    async def release(self, end: End) -> None:
        """Write what is left, and give the run up.

        Raises:
            LeaseLost: It is somebody else's.
            StoreUnavailable: The store does not answer; the lease runs out by itself.
        """
        ...
