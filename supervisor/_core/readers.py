"""The readers of a run: the tasks that await or iterate it, and have still to get its result.

A run that has ended may still have readers: a slow one has events left to read, and one that awaits
the run continues a step of the loop later. Until then a stop must wait for them, or at least not
cancel them: the result would be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator

from supervisor._core.tasks import SPAWNED, AnyTask


class Reading:
    """One `await` of a run, or one loop over it."""

    task: AnyTask | None = None
    """The task that reads."""


class Readers:
    """The readers of one run.

    Args:
        on_served: Called when no reader is left that has still to get the result.
    """

    def __init__(self, on_served: Callable[[], None]) -> None:
        self.tasks: set[AnyTask] = set()
        """The tasks that have awaited or iterated the run, and the spawned tasks behind them."""
        self._due: set[Reading] = set()
        self._on_served = on_served

    def read(self, reading: Reading) -> None:
        """Note that the current task waits for the run; call it before each wait for an event."""
        task = asyncio.current_task()
        if reading.task is task and reading in self._due:
            return
        self._due.add(reading)
        reading.task = task
        spawned = SPAWNED.get()
        behind = spawned() if spawned is not None else None
        self.tasks.update(each for each in (task, behind) if each is not None)

    def leave(self, reading: Reading) -> None:
        """Note that a reader has the result, or has stopped reading."""
        if reading in self._due:
            self._due.discard(reading)
            if not self._due:
                self._on_served()

    @contextlib.contextmanager
    def reading(self) -> Generator[None]:
        """Within it, the current task waits for the run's result."""
        reading = Reading()
        self.read(reading)
        try:
            yield
        finally:
            self.leave(reading)

    def is_awaited_by_others(self) -> bool:
        """Return whether another unfinished task waits for an event, or reads the last one."""
        current = asyncio.current_task()
        others = (reading.task for reading in self._due if reading.task is not current)
        return any(task is not None and not task.done() for task in others)

    @property
    def are_due(self) -> bool:
        """Whether an unfinished task has still to get the result."""
        return any(reading.task is None or not reading.task.done() for reading in self._due)
