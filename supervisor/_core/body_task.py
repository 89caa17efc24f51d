"""The task that runs the body of a block, and its cancellation by a stop.

Cancellations are counted as in `asyncio.timeout`: one `uncancel()` takes back each `cancel()` of
ours. So the code around the block finds the count that it had before, and a count that our own
cancellations do not explain shows one from outside.
"""

from __future__ import annotations

import asyncio
import threading
from typing import cast

from supervisor._core.errors import Stopped
from supervisor._core.events import StopRequest
from supervisor._core.tasks import AnyTask


class BodyTask:
    """The task that has entered the block."""

    def __init__(self) -> None:
        self.task: AnyTask | None = asyncio.current_task()
        self._thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        self._found = self._cancelling()
        self._cancels = 0
        self.cancelled_at: float | None = None
        """When it was last cancelled."""
        self.is_work: bool = False
        """Whether it may go on until ABANDON: it had a run when the stop came, or knows of it."""

    @property
    def has_ended(self) -> bool:
        """Whether the task is over, and the block is still open: a web host's, a notebook's."""
        return self.task is not None and self.task.done()

    def is_current(self) -> bool:
        """Return whether the caller runs in this task."""
        if self.task is None or threading.get_ident() != self._thread:
            return False
        return asyncio.current_task(self._loop) is self.task

    def note_that_it_knows(self) -> None:
        """Let it go on until ABANDON where it is the caller: it has learned of the stop."""
        if self.is_current():
            self.is_work = True

    def cancel(self) -> None:
        """Cancel it, unless it has ended."""
        if self.task is not None and not self.task.done():
            self._cancels += 1
            self.task.cancel()

    def is_from_stop(self, error: BaseException | None, request: StopRequest | None) -> bool:
        """Return whether `error` came from this stop (our cancel, or `Stopped`), not from outside.

        Looks into groups, too: `asyncio.TaskGroup` wraps a subclass of `CancelledError`.
        """
        if isinstance(error, BaseExceptionGroup):
            group = cast("BaseExceptionGroup[BaseException]", error)
            return all(self.is_from_stop(each, request) for each in group.exceptions)
        if not isinstance(error, asyncio.CancelledError) or request is None:
            return False
        if isinstance(error, Stopped) and error.request is not request:
            return False  # an outer supervisor's
        return self._cancelling() - self._found <= self._cancels

    def uncancel(self) -> None:
        """Take back our cancellations."""
        while self._cancels and self.task is not None:
            self._cancels -= 1
            self.task.uncancel()

    def _cancelling(self) -> int:
        return self.task.cancelling() if self.task is not None else 0
