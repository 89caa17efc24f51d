"""Who reads a run, and whether one of them has still to get its result.

A run that has ended may still be read: a slow reader has events before it, and one that awaits the
run goes on a step of the loop later. Until then a stop has to wait for them, or at least to leave
them alone, for otherwise the result would be lost.
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
        on_served: Called when nobody is left who has still to get the result.
    """

    def __init__(self, on_served: Callable[[], None]) -> None:
        self.tasks: set[AnyTask] = set()
        """Those that have awaited or iterated the run, and the spawned ones on whose behalf."""
        self._due: set[Reading] = set()
        self._on_served = on_served

    def read(self, reading: Reading) -> None:
        """The current task waits for the run; called before each event that is not there yet."""
        task = asyncio.current_task()
        if reading.task is task and reading in self._due:
            return
        self._due.add(reading)
        reading.task = task
        spawned = SPAWNED.get()
        behind = spawned() if spawned is not None else None
        self.tasks.update(each for each in (task, behind) if each is not None)

    def leave(self, reading: Reading) -> None:
        """A reader has the result, or has broken off."""
        if reading in self._due:
            self._due.discard(reading)
            if not self._due:
                self._on_served()

    @contextlib.contextmanager
    def reading(self) -> Generator[None]:
        """The current task waits for the run's result."""
        reading = Reading()
        self.read(reading)
        try:
            yield
        finally:
            self.leave(reading)

    @property
    def are_due(self) -> bool:
        """Whether a living task has still to get the result."""
        return any(reading.task is None or not reading.task.done() for reading in self._due)
