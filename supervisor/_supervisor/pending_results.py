"""Results that somebody has still to get: a run that has ended is work as long as it is read.

In DRAIN a reader has time to read what is buffered; from CANCEL on the result is the next thing
that it reads. Either way it is not cancelled before ABANDON. The code that waits for the reader may
be some tasks away (a body that gathers tasks that await runs), and takes its next step a few steps
of the loop later: so a run counts for a few steps more.

A reader that takes no event for a second is not waited for. It may have kept an iterator and
forgotten it, and that cannot be told from a slow reader. It loses nothing: what it has not read is
in its result.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from supervisor._core.stoppable import Stoppable, is_read_by_others
from supervisor._core.tasks import AnyTask

_STEPS: Final = 8  # each task between a run and its waiter takes one or two
_READ_SECONDS: Final = 1.0


class PendingResults:
    """The runs of one supervisor that have ended, and whose result somebody has still to get.

    Args:
        on_change: Called when there is less to wait for.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._due: dict[Stoppable, None] = {}
        self._idle: set[Stoppable] = set()  # those whose reader does not read
        self._seen: dict[Stoppable, int] = {}  # what was unread at the last look
        self._steps: deque[list[Stoppable]] = deque([] for _ in range(_STEPS))
        self._is_stepping = self._is_watching = False
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, run: Stoppable) -> None:
        """Note that a run has ended, and that a reader has not had its result."""
        self._due[run] = None
        self._look_later()

    def served(self, run: Stoppable) -> None:
        """Note that no reader has still to get this result; their waiters go on soon."""
        if run in self._due:
            self._steps[-1].append(run)
            if not self._is_stepping:
                self._is_stepping = True
                asyncio.get_running_loop().call_soon(self._step)

    def watch(self) -> None:
        """Wait from here on only for readers that read; a stop has begun."""
        self._is_watching = True
        self._look_later()

    def close(self) -> None:
        """Wait for nobody any more."""
        self._due.clear()
        self._is_watching = False
        if self._timer is not None:
            self._timer.cancel()

    @property
    def are_due(self) -> bool:
        """Whether somebody has still to get a result, or has just got it."""
        return bool(self._due)

    @property
    def are_read(self) -> bool:
        """Whether one of them reads."""
        return len(self._due) > len(self._idle)

    @property
    def is_handing_over(self) -> bool:
        """Whether one has just got it."""
        return self._is_stepping

    def is_read_by_others(self, task: AnyTask | None) -> bool:
        """Return whether a living task other than this one reads one of them."""
        return any(is_read_by_others(run, task) for run in self._due if run not in self._idle)

    @property
    def readers(self) -> set[AnyTask]:
        """The tasks that are to get a result, or have just got it."""
        return {reader for run in self._due for reader in run.readers}

    def _step(self) -> None:
        for run in self._steps.popleft():
            self._due.pop(run, None)
            self._idle.discard(run)
        self._steps.append([])
        if any(self._steps):
            asyncio.get_running_loop().call_soon(self._step)
            return
        self._is_stepping = False
        self._on_change()

    def _look_later(self) -> None:
        if self._is_watching and self._timer is None and self.are_read:
            self._seen = {run: run.unread for run in self._due}
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_READ_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        self._idle.update(run for run in self._due if self._seen.get(run) == run.unread)
        self._look_later()
        self._on_change()
