"""A loop that takes no step at ABANDON: what blocks it is named, and interrupted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from supervisor._reports import log_events
from supervisor._reports.log import reporter
from supervisor._signals.interrupt import take_interrupted
from supervisor._signals.registry import registry

STUCK_SECONDS: Final = 0.1
"""A loop that takes no step for so long is stuck."""


class StuckLoop:
    """Looks whether one loop is stuck.

    Args:
        on_stuck: Called once, in the watchdog's thread, when it is.
    """

    def __init__(self, on_stuck: Callable[[], None]) -> None:
        self._on_stuck = on_stuck
        self._since: float | None = None
        self.was_stuck = False
        """Whether it ever was."""
        self.is_interrupted = False
        """Whether what blocks it is to be interrupted: only in the main thread that is possible."""

    def look(self, now: float, *, is_waited_for: bool) -> float | None:
        """Interrupt what blocks the loop, where it has been stuck for long enough.

        Args:
            now: The time.
            is_waited_for: Whether a step waits for the loop.

        Returns:
            When to look again; None for no need.
        """
        if not is_waited_for:
            self._since = None
            return None
        since = self._since  # the loop may come free meanwhile, and forget it
        is_stuck = since is not None and now - since >= STUCK_SECONDS
        if since is None or is_stuck:
            since = self._since = now
        if is_stuck:
            if not self.was_stuck:
                self.was_stuck = True
                self._on_stuck()
            if self.is_interrupted:
                registry.interrupt()
        return since + STUCK_SECONDS


def report_interruptions() -> None:
    """Tell what was interrupted since this was last called; in the loop."""
    for where in take_interrupted():
        line = f"supervisor: interrupted {where}, which blocked the event loop"
        reporter.event(log_events.INTERRUPTED_CODE, line=line, where=where)
