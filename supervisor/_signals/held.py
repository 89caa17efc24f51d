"""Signals that are held: a stop begins at once, and the program's own handlers hear of it later.

A server that gets SIGTERM closes what is open. If it hears of it only once the runs have ended, and
their last words are sent, it finds nothing open, and ends in its own way, with its own status.

So our handlers go on top of what stands there, and keep what arrives: the call of a Python handler,
the byte on the wakeup fd that asyncio or uvloop waits for, the default action. To *hand over* is to
put everything back and to raise the signals again. The kernel and the interpreter then do what they
would have done without us, whatever that is. Not chosen: to call what was found, which would be a
copy of what Python, asyncio and uvloop do with a signal, and could not die of one.

Parents with workers, reloaders and process groups each send a signal for one and the same stop, and
not the same one. So all that come within a second of the first are one request.

A server may set its handlers after us, or put another fd into the slot. So `look()` is called from
time to time: what stands on top of ours is covered by one more handler of ours.
"""

from __future__ import annotations

import contextlib
import enum
import math
import signal
from collections.abc import Callable
from itertools import takewhile
from types import FrameType
from typing import Any, Final

from supervisor._signals.guard_state import GuardState
from supervisor._signals.handlers import Handler, SignalHandlers, is_main_thread, server_of
from supervisor._signals.listener import Hold, Listener, handled_by
from supervisor._signals.registry import registry

ONE_REQUEST_SECONDS: Final = 1.0
"""Signals that come within this time of the first are one request."""

QUICK: Final[frozenset[int]] = frozenset(filter(None, [getattr(signal, "SIGQUIT", None)]))
"""By which gunicorn tells its workers to end at once; taken only where somebody handles it."""


class HoldPhase(enum.Enum):
    """Where a hold is in its life."""

    CLOSED = "not open yet"
    OPEN = "nothing is held"
    HOLDING = "signals are held"
    LEAVING = "handlers are being put back"
    OVER = "handed over"


class HeldSignals:
    """The signals that one host's supervisor hears, and that are handed on later.

    For the registry it is a `Listener` for the signals that only the host handles.

    Args:
        owner: The supervisor's own listener.
        call_soon: Has the loop call a function; from any thread, and from a signal handler.
        on_held: Called with each signal that is held; in any thread.
    """

    is_running = False
    """Whether its loop runs: the supervisor says so."""

    def __init__(
        self,
        owner: Listener,
        call_soon: Callable[[Callable[[], None]], None],
        on_held: Callable[[int], None],
    ) -> None:
        self._owner = owner
        self._call_soon = call_soon
        self._on_held = on_held
        self.phase = HoldPhase.CLOSED
        self.must_end = False
        """Whether a further signal has come, or one that is not to be held."""
        self._outers: tuple[Listener, ...] = ()  # supervisors that were there before
        self._around: Hold | None = None  # of another host
        self._quick: frozenset[int] = frozenset()
        self._numbers: frozenset[int] = frozenset()
        self._covers: list[_Cover] = []
        self._came: list[int] = []  # in their order, the same number once
        self._together: set[int] = set()  # those that came with the first
        self._first_at = math.inf
        self._echoes: list[int] = []  # raised by us, to arrive on our own fd

    @property
    def is_holding(self) -> bool:
        """Whether a signal is held."""
        return self.phase is HoldPhase.HOLDING

    # -- in the main thread ---------------------------------------------------------------------

    def open(self) -> None:
        """Hold signals from here on."""
        if not self._owner.handled:
            return
        self._quick = frozenset(number for number in QUICK if callable(signal.getsignal(number)))
        self._numbers = self._owner.handled | self._quick
        self._outers = tuple(takewhile(lambda it: it is not self._owner, registry.owners))
        self.phase = HoldPhase.OPEN
        self._around, registry.hold = registry.hold, self
        registry.add(self)
        self._pass_on_no_held()
        self.look()

    def look(self) -> None:
        """Go on top again of what others have set in the meantime."""
        wakeup_fd = registry.wakeup_fd
        if self.phase not in (HoldPhase.OPEN, HoldPhase.HOLDING) or wakeup_fd is None:
            return
        wakeup_fd.reclaim()
        for number in self._numbers:
            found = signal.getsignal(number)
            is_ours = found == wakeup_fd.handler or any(found == it.handle for it in self._covers)
            if not is_ours and found is not signal.SIG_IGN:
                self._cover(number, found, wakeup_fd.handler)

    def _cover(self, number: int, found: Any, handler: Handler) -> None:
        for cover in self._covers:
            if cover.number == number and cover.found == found:  # somebody sets it again and again
                signal.signal(number, cover.handle)
                return
        self._covers.append(_Cover(number, handler, self))

    def hand_over(self) -> None:
        """Put back what was found, and raise what is held; it may raise, and end the process."""
        if self.phase not in (HoldPhase.OPEN, HoldPhase.HOLDING) or not is_main_thread():
            return
        self.phase = HoldPhase.LEAVING
        _put_back(self._covers)
        registry.reinstall()
        self.phase = HoldPhase.OVER
        self._pass_on_no_held()
        with contextlib.ExitStack() as raised:
            for number in reversed(self._due()):
                raised.callback(self._raise, number)

    def close(self) -> None:
        """Hand over, for good."""
        try:
            self.hand_over()
        finally:
            self._end()

    def drop(self) -> None:
        """Put back what was found, and raise nothing: the loop is closed around what is held."""
        _put_back(self._covers)
        self._end()

    def _end(self) -> None:
        self.phase = HoldPhase.CLOSED
        registry.leave(self)
        if registry.hold is self:
            # Hosts close in any order: one that was there before us may be gone by now.
            around = self._around
            while isinstance(around, HeldSignals) and around.phase is HoldPhase.CLOSED:
                around = around._around  # noqa: SLF001 - of the same class
            registry.hold = around
            registry.reinstall()
            self._pass_on_no_held()

    @property
    def numbers(self) -> frozenset[int]:
        """The signals that are not passed on as they arrive."""
        return self._numbers if self.phase in (HoldPhase.OPEN, HoldPhase.HOLDING) else frozenset()

    def _pass_on_no_held(self) -> None:
        hold, wakeup_fd = registry.hold, registry.wakeup_fd
        assert wakeup_fd is not None  # the supervisor was there before
        wakeup_fd.held = frozenset() if hold is None else hold.numbers

    def _due(self) -> list[int]:
        """Return what is to be handed on: an INT that came with a TERM would mean "by force"."""
        is_with_term = {signal.SIGINT, signal.SIGTERM} <= self._together
        if is_with_term and signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            return [number for number in self._came if number != signal.SIGINT]
        return self._came

    def _raise(self, number: int) -> None:
        if registry.wakeup_fd is not None and registry.wakeup_fd.signals:
            self._echoes.append(number)
        signal.raise_signal(number)

    # -- as the registry sees it; in any thread ---------------------------------------------------

    def wanted(self, owners: tuple[Listener, ...]) -> set[int]:
        """Return which signals are to be handled, of those that these want to hear of."""
        if self.phase in (HoldPhase.OPEN, HoldPhase.HOLDING):
            return handled_by(owners)
        covered = {cover.number for cover in self._covers}
        return handled_by(it for it in owners if it in self._outers) & covered

    def takes(self, number: int, at: float) -> bool:
        """Take in a signal; return whether it asks for nothing more than an earlier one."""
        if number in self._echoes:
            self._echoes.remove(number)
            return True
        if number not in self._numbers or self.phase is HoldPhase.OVER:
            return False
        self._first_at = min(self._first_at, at)
        is_first, is_with_it = not self._came, at - self._first_at < ONE_REQUEST_SECONDS
        if is_with_it:
            self._together.add(number)
        if number not in self._came:
            self._came.append(number)
        if self.phase is HoldPhase.OPEN:
            self.phase = HoldPhase.HOLDING
        self.must_end = self.must_end or number in self._quick or not is_with_it
        self._on_held(number)
        return is_with_it and not is_first and number not in self._quick

    def forget(self) -> None:
        """Put the handlers of a forked child back, on top of which we are."""
        self.phase = HoldPhase.CLOSED
        _put_back(self._covers)
        if self._around is not None:
            self._around.forget()

    @property
    def handled(self) -> frozenset[int]:
        """The signals that only the host handles."""
        return self._quick

    def notify(self, number: int, poll: Callable[[], None]) -> None:
        """Have the loop call `poll`, because a signal has arrived; in its handler."""
        if number in self._quick:
            self._call_soon(poll)

    def on_signal(self, number: int, at: float, now: float) -> None:
        """Do nothing: it was taken."""

    def catch_up(self) -> None:
        """Do nothing: the supervisor does it."""

    def on_time(self, now: float) -> float | None:
        """Do nothing: the supervisor keeps the time."""

    @property
    def guard_state(self) -> GuardState | None:
        """None: a guard has to know nothing of it."""
        return None


class _Cover:
    """A handler of ours on top of one that somebody has set above our others.

    Args:
        number: The signal.
        handler: Our handler.
        hold: What it is for.
    """

    def __init__(self, number: int, handler: Handler, hold: HeldSignals) -> None:
        self.number = number
        self._handler = handler
        self._hold = hold
        self._handlers = SignalHandlers(self.handle)
        self._handlers.install(number)

    @property
    def found(self) -> Any:
        """The handler that was found."""
        return self._handlers.found[self.number]

    def put_back(self) -> None:
        """Put back what was found, unless somebody else's stands there by now."""
        self._handlers.put_back(self.number)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; where all is handed over, call what was found: somebody chains to us."""
        if self._hold.numbers:
            self._handler(number, frame)
        else:
            self.found(number, frame)

    @property
    def should_exit(self) -> bool:
        """What the server says whose handler was found; see `server_of`."""
        return bool(server_of(self.found).should_exit)


def _put_back(covers: list[_Cover]) -> None:
    for cover in reversed(covers):
        cover.put_back()
