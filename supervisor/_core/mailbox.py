"""The mailbox of a stop: a queue of calls, processed by the threads that post to it.

A stop gets messages from everywhere: a signal from the watchdog's thread; a request from any
thread, also from a signal handler of the user's; idleness from the loop; the time from the
watchdog. With a lock, a signal handler could wait for the very thread that it interrupts. Here
nobody waits: a thread that finds another one processing the queue leaves its message there, and
the other one looks again before it leaves.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Mailbox:
    """Calls the functions posted to it: one at a time, in order, and each one for certain."""

    def __init__(self) -> None:
        self._queue: deque[Callable[[], None]] = deque()
        self._is_processing = threading.Lock()

    def post(self, message: Callable[[], None]) -> None:
        """Have `message` called, by this thread or by the one that processes the queue now."""
        self._queue.append(message)
        while self._queue and self._is_processing.acquire(blocking=False):
            try:
                while self._queue:
                    self._queue.popleft()()
            finally:
                self._is_processing.release()
