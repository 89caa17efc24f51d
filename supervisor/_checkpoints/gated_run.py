"""A run that this process owns, as the gate of its tool calls sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from supervisor._checkpoints.snapshot import Snapshot
from supervisor._checkpoints.store import CallRecord


class GatedRun(Protocol):
    """A run that is owned; what is written of it goes to a thread, in this order.

    All of it is called in the loop.
    """

    id: str
    fence: int

    @property
    def may_act(self) -> bool:
        """Whether the lease is not over: no tool starts after its end."""
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
        """Note that nothing of it may be done any more; the run fails, unless it has.

        Args:
            error: What it fails with; None is `LeaseLost`.
        """
        ...
