"""What stays over a whole program: the watchdog's thread and the guard.

A program may run a thousand loops, one after the other. A guard for each of them would take as long
as starting Python a thousand times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisor._signals.guard_state import GuardState
    from supervisor._supervisor.escalation import Escalation


class Keeper:
    """Listens to nothing: the registry keeps up what it needs as long as it has a listener.

    Args:
        idle: An escalation that never begins, for the guard while no block is open.
    """

    def __init__(self, idle: Escalation) -> None:
        self.handled = frozenset[int]()
        self.is_running = False
        self._idle = idle
        self.current: Escalation | None = None
        """That of the block that is open, or of the program's stop."""

    @property
    def guard_state(self) -> GuardState | None:
        """What the guard has to know."""
        return (self.current or self._idle).guard_state

    def notify(self, number: int, poll: Callable[[], None]) -> None:
        """Do nothing: a loop is woken by its own block."""

    def on_signal(self, number: int, at: float, now: float) -> None:
        """Do nothing: it hears no signal."""

    def catch_up(self) -> None:
        """Do nothing."""

    def on_time(self, now: float) -> None:
        """Wait for nothing."""
