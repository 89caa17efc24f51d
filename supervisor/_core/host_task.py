"""The body: the task inside the block, how it is interrupted, and how that is told from others.

The accounting is that of `asyncio.timeout`: each `cancel()` of ours is taken back by one
`uncancel()`, so that what is around the block sees the count that it left, and a cancellation from
outside is known by a count that ours do not explain.
"""

from __future__ import annotations

import asyncio
import threading
from typing import cast

from supervisor._core.errors import Stopped
from supervisor._core.events import StopRequest


class HostTask:
    """The task that has entered the block."""

    def __init__(self) -> None:
        self.task = asyncio.current_task()
        self._thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        self._found = self._cancelling()
        self._cancels = 0
        self.cancelled_at: float | None = None
        """When it was last interrupted."""
        self.is_work = False
        """Whether it is given until ABANDON: it had a run when the stop came, or knows of it."""

    def is_current(self) -> bool:
        """Whether it is the body that asks."""
        if self.task is None or threading.get_ident() != self._thread:
            return False
        return asyncio.current_task(self._loop) is self.task

    def note_that_it_knows(self) -> None:
        """Give it until ABANDON, if it is the body that asks: it need not be interrupted before."""
        if self.is_current():
            self.is_work = True

    def cancel(self) -> None:
        """Interrupt it."""
        if self.task is not None and not self.task.done():
            self._cancels += 1
            self.task.cancel()

    def is_own(self, error: BaseException | None, request: StopRequest | None) -> bool:
        """Whether this is how a stop comes out of the body: our cancellation, or `Stopped`.

        Also in a group: `asyncio.TaskGroup` wraps what is a cancellation by inheritance.
        """
        if isinstance(error, BaseExceptionGroup):
            group = cast("BaseExceptionGroup[BaseException]", error)
            return all(self.is_own(each, request) for each in group.exceptions)
        if not isinstance(error, asyncio.CancelledError) or request is None:
            return False
        if isinstance(error, Stopped) and error.request is not request:
            return False  # an outer supervisor's
        return self._cancelling() - self._found <= self._cancels

    def take_back(self) -> None:
        """Take back our cancellations."""
        while self._cancels and self.task is not None:
            self._cancels -= 1
            self.task.uncancel()

    def _cancelling(self) -> int:
        return self.task.cancelling() if self.task is not None else 0
