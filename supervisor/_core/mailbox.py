"""One queue for what becomes of a stop, worked off by whoever puts something in.

Facts come from everywhere: a signal from the watchdog's thread, a request from any thread (from a
signal handler of the user's, too), idleness from the loop, the time from the watchdog. A lock
would let a signal handler wait for the very thread that it interrupts. Here nobody waits: who
finds the queue being worked off leaves its fact to the other one, who looks again before it goes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Mailbox:
    """Functions that are called one at a time, in order, none lost and none waiting for a lock."""

    def __init__(self) -> None:
        self._queue: deque[Callable[[], None]] = deque()
        self._working = threading.Lock()

    def add(self, fact: Callable[[], None]) -> None:
        """Have a fact worked off, by this thread or by the one that is at it."""
        self._queue.append(fact)
        while self._queue and self._working.acquire(blocking=False):
            try:
                while self._queue:
                    self._queue.popleft()()
            finally:
                self._working.release()
