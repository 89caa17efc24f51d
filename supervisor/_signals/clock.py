"""The clock of the ladders: the system's monotonic clock, which can be paused.

It is paused while a debugger is at work. That is checked when the time is needed anyway, and a few
times a second while a stop is under way: nothing reports that somebody has come to a breakpoint. If
a check finds a debugger, the time since the check before does not count either: the check may be
late, and the process may have stood in the debugger meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """Seconds that count.

    Args:
        must_pause: Returns whether time is to stand still.
        time: Returns the seconds that pass.
    """

    def __init__(
        self, must_pause: Callable[[], bool], time: Callable[[], float] = time.monotonic
    ) -> None:
        self._must_pause = must_pause
        self._time = time
        self._checking = threading.Lock()
        self._paused_seconds = 0.0
        self._paused_since: float | None = None
        self._checked_at: float | None = None

    @property
    def is_paused(self) -> bool:
        """Whether it is paused, as far as is known."""
        return self._paused_since is not None

    @property
    def paused_seconds(self) -> float:
        """The seconds that did not count so far."""
        since = self._paused_since
        return self._paused_seconds + (0.0 if since is None else max(0.0, self._time() - since))

    def now(self) -> float:
        """Return the time."""
        now, since = self._time(), self._paused_since  # as `at` does: it is asked often
        return (now if since is None else min(now, since)) - self._paused_seconds

    def at(self, monotonic: float) -> float:
        """Return the time at a `time.monotonic()`."""
        since = self._paused_since
        return (monotonic if since is None else min(monotonic, since)) - self._paused_seconds

    def to_monotonic(self, at: float) -> float:
        """Return the `time.monotonic()` at which it will show a time, if it goes on."""
        return at + self.paused_seconds

    def seconds_until(self, at: float | None) -> float | None:
        """Return how long until it shows a time; None for never, and while it is paused."""
        return None if at is None or self.is_paused else max(0.0, at - self.now())

    def check(self, *, is_watched: bool) -> bool:
        """Pause or go on, as is needed now; return whether that has changed.

        Args:
            is_watched: Whether the checks are so frequent that what is found now holds for the
                time since the last one.
        """
        if not self._checking.acquire(blocking=False):
            return False  # another thread is at it
        try:
            return self._check(is_watched=is_watched)
        finally:
            self._checking.release()

    def _check(self, *, is_watched: bool) -> bool:
        now, must_pause, since = self._time(), self._must_pause(), self._paused_since
        before, self._checked_at = self._checked_at, now
        if must_pause and since is None:
            self._paused_since = now if before is None or not is_watched else before
        elif since is not None and not must_pause:
            self._paused_seconds, self._paused_since = self._paused_seconds + (now - since), None
        return must_pause != (since is not None)
