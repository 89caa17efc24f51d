"""What telemetry is told of one supervisor's stop, and the flush of its providers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Final

from supervisor._reports.telemetry.flush import Flush, flushable
from supervisor._reports.telemetry.stops import tell_forced, tell_stopped
from supervisor._signals.registry import registry
from supervisor._supervisor.scope import StopScope

_FLUSH_SECONDS: Final = 1.0
"""How long a stop waits for exporters at most: nobody may be listening to them."""


class StopTelemetry:
    """Tells of one supervisor's stop.

    Args:
        scope: What is stopped.
    """

    def __init__(self, scope: StopScope) -> None:
        self._scope = scope
        self._is_told = False

    def tell_end(self) -> None:
        """Tell that the stop has ended, if there was one; once."""
        stop = self._scope.stop
        if stop.request is None or self._is_told:
            return
        self._is_told = True
        around = self._scope.nesting.around
        if around is not None and around.stop.request is not None:
            return  # a part of the stop around it, which tells of both
        request, rung = stop.request, stop.rung.name
        tell_stopped(reason=request.reason, cause=request.cause, rung=rung, seconds=stop.age())

    async def flush(self) -> None:
        """Have the providers export what they hold, if the process may end by this stop."""
        seconds = self._seconds_to_flush()
        if seconds <= 0 or not flushable():
            return
        loop, is_over = asyncio.get_running_loop(), asyncio.Event()
        Flush(seconds, lambda: loop.call_soon_threadsafe(is_over.set))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await is_over.wait()

    def _seconds_to_flush(self) -> float:
        stop = self._scope.stop
        may_end = stop.is_by_signal or stop.exits
        if stop.request is None or not may_end or self._scope.nesting.parent is not None:
            return 0.0
        ends = (stop.deadline, stop.ladder_state.rung_ends_at)
        left = [(at - registry.clock.now()) / 2 for at in ends if at is not None]
        return min([_FLUSH_SECONDS, *left])

    def begin_forced_end(self, seconds: float) -> Callable[[], None]:
        """Tell that the process is ended by force, and have that exported, in another thread.

        Returns:
            What waits until that is done, or until the seconds are over.
        """
        until = time.monotonic() + seconds
        thread = threading.Thread(
            target=self._tell_forced, args=(seconds,), name="supervisor-telemetry", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads: from Python 3.12 on none at the interpreter's end
            return lambda: None
        return lambda: thread.join(max(0.0, until - time.monotonic()))

    def _tell_forced(self, seconds: float) -> None:
        # A span processor of the application's may hang here.
        tell_forced()
        self.tell_end()
        Flush(seconds).wait()
