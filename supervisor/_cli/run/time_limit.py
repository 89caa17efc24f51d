"""`--timeout`: stops the run in order, from a thread, for the loop may be blocked by then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from supervisor._core.events import Rung, StopRequest
from supervisor._signals.registry import registry
from supervisor._supervisor.facade import parts_of

if TYPE_CHECKING:
    from supervisor._supervisor.facade import Supervisor


def start_timer(seconds: float, call: Callable[[], None]) -> threading.Timer:
    """Have something called in a thread, however long that is to take; it keeps nobody."""
    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), call)
    timer.daemon = True
    timer.start()
    return timer


class TimeLimit:
    """The time limit of a run.

    Args:
        sup: The supervisor of the run.
        seconds: How long it may take; None: as long as it likes.
    """

    def __init__(self, sup: Supervisor, seconds: float | None) -> None:
        self._stop = parts_of(sup).stop
        self._seconds = seconds
        self._request: StopRequest | None = None

    @property
    def has_stopped(self) -> bool:
        """Whether it was the first to request a stop."""
        return self._request is not None and self._stop.request is self._request

    def start(self) -> None:
        """Count from now on."""
        if self._seconds is not None:
            start_timer(self._seconds, self._on_time)

    def _on_time(self) -> None:
        reason = f"Stopped after {self._seconds:g} s"
        self._request = StopRequest(reason=reason, rung=Rung.CANCEL, cause="timeout")
        # Not `sup.stop`, which does nothing once the block is left: threads may still hold the end.
        self._stop.ask(self._request)
        self._stop.go_to(Rung.CANCEL)
        registry.wake_watchdog()
