"""The watchdog: the thread that receives signals and keeps the time when the loop does neither.

It waits for the wakeup fd and for the next moment at which a ladder has something to do, and calls
back for both. It keeps no state of its own about a stop: a thread that only waits and calls cannot
be in a wrong state.

Not chosen: timers of the event loop (a blocked loop has none), `signal.setitimer` (one slot for
the process, and its handler needs the main thread), `faulthandler.dump_traceback_later` (one slot
too, taken by pytest and by users).
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

# Without an fd of its own, which a forked child would inherit, and could not close.
_SELECTOR: Final = getattr(selectors, "PollSelector", selectors.SelectSelector)


class Source(Protocol):
    """A wakeup fd, as the watchdog needs it."""

    def fileno(self) -> int:
        """Return the fd to wait for."""
        ...

    def read(self, *, is_main: bool) -> Sequence[tuple[int, float]]:
        """Return the signals that have arrived: each one's number, and when."""
        ...

    def wake(self) -> None:
        """Make the fd readable."""
        ...


class Watchdog:
    """A daemon thread that turns bytes and deadlines into calls.

    Args:
        source: The wakeup fd.
        on_signal: Called with each signal's number and the `time.monotonic()` of its arrival.
        on_time: Called after every wake-up with `time.monotonic()`; returns the moment at which
            to call it next, or None for "when something happens".
    """

    def __init__(
        self,
        source: Source,
        on_signal: Callable[[int, float], None],
        on_time: Callable[[float], float | None],
    ) -> None:
        self._source = source
        self._on_signal = on_signal
        self._on_time = on_time
        # Its own: the source is shared with a watchdog that follows it, which may take any byte.
        self._end, self._ender = socket.socketpair()
        self._thread = threading.Thread(target=self._watch, name="supervisor-watchdog", daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: There can be no more threads.
        """
        try:
            self._thread.start()
        except BaseException:
            self.forget()
            raise

    def stop(self) -> None:
        """Have the thread end; do not wait for it, as a loop's thread calls this.

        It may call back once more meanwhile, and overlap with a watchdog that follows it.
        """
        self._ender.close()

    def forget(self) -> None:
        """Close the fds that a forked child has inherited; the thread stays with the parent."""
        self._end.close()
        self._ender.close()

    def _watch(self) -> None:
        with self._end, _SELECTOR() as selector:
            selector.register(self._source.fileno(), selectors.EVENT_READ)
            selector.register(self._end, selectors.EVENT_READ)
            next_at: float | None = None
            while not self._must_end(selector.select(_seconds_until(next_at))):
                for number, at in self._source.read(is_main=False):
                    self._on_signal(number, at)
                next_at = self._on_time(time.monotonic())
        self._source.wake()  # a watchdog that follows reads again what was read last

    def _must_end(self, ready: list[tuple[selectors.SelectorKey, int]]) -> bool:
        return any(key.fileobj is self._end for key, _ in ready)


def _seconds_until(at: float | None) -> float | None:
    if at is None:
        return None
    # No longer than an hour: the kernel's own limit is days, and an overflow would end the thread.
    return min(max(0.0, at - time.monotonic()), 3600.0)
