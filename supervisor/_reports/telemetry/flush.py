"""Have the providers export what they hold, because the process may end soon.

Batches are exported every few seconds, and a process that ends by a signal ends in between. An
exporter may hang, or retry for a minute where nobody listens. So daemon threads flush, one for each
provider, and who asks waits for as long as there is time.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence

from supervisor._reports.telemetry.failures import harmless
from supervisor._reports.telemetry.providers import (
    logger_provider,
    meter_provider,
    tracer_provider,
)


class Flush:
    """A flush of all providers that are set, in progress.

    Args:
        seconds: How long it may take.
        on_end: Called when it is over, in one of its threads.
    """

    def __init__(self, seconds: float, on_end: Callable[[], object] = lambda: None) -> None:
        self._milliseconds = max(1, int(seconds * 1000))
        self._deadline = time.monotonic() + seconds
        self._on_end = on_end
        self._left = len(providers := flushable())
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        for flush in providers:
            self._start(flush)

    def wait(self) -> bool:
        """Wait until it is over, or its time; return whether it is."""
        if self._left:
            self._is_over.wait(max(0.0, self._deadline - time.monotonic()))
        return not self._left

    def _start(self, flush: Callable[[int], object]) -> None:
        thread = threading.Thread(
            target=self._run, args=(flush,), name="supervisor-telemetry", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads
            self._end_one()

    def _run(self, flush: Callable[[int], object]) -> None:
        try:
            _call(flush, self._milliseconds)
        finally:
            self._end_one()

    def _end_one(self) -> None:
        with self._lock:
            self._left -= 1
            is_over = not self._left
        if is_over:
            self._is_over.set()
            with contextlib.suppress(RuntimeError):  # the loop to be told is closed
                self._on_end()


@harmless
def _call(flush: Callable[[int], object], milliseconds: int) -> None:
    flush(milliseconds)


def flushable() -> Sequence[Callable[[int], object]]:
    """Return what flushes each provider that is set, and can be flushed."""
    providers = (tracer_provider(), meter_provider(), logger_provider())
    flushes = (getattr(provider, "force_flush", None) for provider in providers)
    return [flush for flush in flushes if flush is not None]
