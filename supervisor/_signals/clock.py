"""The clock by which ladders climb: the system's monotonic one, which can stand still.

It stands while a debugger is at work. That is looked at when the time is asked for anyway, and a
few times a second while a stop is under way: nobody tells when somebody comes to a breakpoint. What
has passed between two looks, of which the first found nothing, does not count either, as the look
may be late: the process may have stood in a debugger meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Clock:
    """Seconds that count.

    Args:
        stands: Whether time is to stand still.
        time: The seconds that pass.
    """

    def __init__(
        self, stands: Callable[[], bool], time: Callable[[], float] = time.monotonic
    ) -> None:
        self._stands = stands
        self._time = time
        self._looking = threading.Lock()
        self._lost = 0.0
        self._since: float | None = None
        self._looked_at: float | None = None

    @property
    def is_standing(self) -> bool:
        """Whether it stands still, as far as is known."""
        return self._since is not None

    @property
    def lost(self) -> float:
        """The seconds that did not count so far."""
        since = self._since
        return self._lost + (0.0 if since is None else max(0.0, self._time() - since))

    def now(self) -> float:
        """The time."""
        return self.of(self._time())

    def of(self, at: float) -> float:
        """The time that it was at this `time.monotonic()`."""
        since = self._since
        return (at if since is None else min(at, since)) - self._lost

    def look(self, *, is_watched: bool) -> bool:
        """See whether time is to stand still; returns whether that has changed.

        Args:
            is_watched: Whether the looks are so close that what has passed since the last one is
                to be seen as what is found now.
        """
        if not self._looking.acquire(blocking=False):
            return False  # another thread is at it
        try:
            return self._look(is_watched=is_watched)
        finally:
            self._looking.release()

    def _look(self, *, is_watched: bool) -> bool:
        now, stands, since = self._time(), self._stands(), self._since
        before, self._looked_at = self._looked_at, now
        if stands and since is None:
            self._since = now if before is None or not is_watched else before
        elif since is not None and not stands:
            self._lost, self._since = self._lost + (now - since), None
        return stands != (since is not None)
