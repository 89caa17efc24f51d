"""What the registry tells of signals and of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from supervisor._signals.guard_state import GuardState


class Listener(Protocol):
    """What hears signals and the time: the escalation of a supervisor."""

    @property
    def handled(self) -> frozenset[int]:
        """The signals that it wants to hear of."""
        ...

    @property
    def is_running(self) -> bool:
        """Whether Ctrl-C at a prompt is for it; in any thread."""
        ...

    def notify(self, number: int, poll: Callable[[], None]) -> None:
        """Have the loop call `poll`, because a signal has arrived; in its handler."""
        ...

    def on_signal(self, number: int, at: float, now: float) -> None:
        """Take in a signal: its number, when it arrived, and the time, by the ladders' clock."""
        ...

    def catch_up(self) -> None:
        """Carry out what a signal has led to, or begin no turn until then. In the main thread."""
        ...

    def on_time(self, now: float) -> float | None:
        """Do what is due; return when to be called next. In the watchdog's thread."""
        ...

    @property
    def guard_state(self) -> GuardState | None:
        """What a guard has to know of it; None where it wants none."""
        ...


class Hold(Protocol):
    """What takes signals in that are handed on later (`held.py`)."""

    @property
    def numbers(self) -> frozenset[int]:
        """The signals that are not passed on as they arrive."""
        ...

    def wanted(self, owners: tuple[Listener, ...]) -> set[int]:
        """Return which signals are to be handled, of those that these want to hear of."""
        ...

    def takes(self, number: int, at: float) -> bool:
        """Take in a signal; return whether the listeners are not to hear of it."""
        ...

    def forget(self) -> None:
        """Put back in a forked child what it has installed."""
        ...


def handled_by(listeners: Iterable[Listener]) -> set[int]:
    """Return all the signals that one of them wants to hear of."""
    return {number for listener in listeners for number in listener.handled}
