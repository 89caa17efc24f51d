"""A lease, by this process's own clock: it tells without asking anybody when it is over."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


def now() -> float:
    """Return seconds that go on while the machine is suspended, as those of other machines do."""
    if sys.platform != "linux":
        return time.monotonic()
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """How long a run is this process's own.

    Args:
        seconds: How long a renewal lasts.
        margin: How long before its end the run has to be told to stop, so that it has stopped by
            then.
        begun: When it was asked for.
        ends: Whether somebody else may have the run after that; not where the kernel tells that
            this process lives.
        clock: The time.
    """

    def __init__(
        self,
        seconds: float,
        margin: float,
        begun: float,
        *,
        ends: bool = True,
        clock: Callable[[], float] = now,
    ) -> None:
        self.seconds = seconds
        self.clock: Callable[[], float] = clock
        self._ends = ends
        self._margin = min(margin, seconds / 2)
        self._until = begun + seconds
        self.patience: float = seconds - self._margin
        """For how many seconds a write that fails is tried again."""

    def renew(self, asked: float) -> None:
        """Note that it was renewed, by what was asked of the store at this time."""
        self._until = max(self._until, asked + self.seconds)

    @property
    def is_over(self) -> bool:
        """Whether somebody else may have the run by now."""
        return self._ends and self.clock() >= self._until

    @property
    def is_ending(self) -> bool:
        """Whether the store has not answered for so long that the run is to stop in order."""
        return self.clock() >= self._until - self._margin
