"""The rules of the ladder: events and the time go in, steps come out.

Rules for this file:

1. Everything that decides how a stop proceeds is here, as much of it as possible in `TABLE`.
   What does not fit the table is listed below it, and `LadderState` implements it.
2. Nothing here knows a clock, a loop, a thread or AutoGen. Each event brings the time with it, in
   seconds of one monotonic clock, whose zero does not matter. The escalation carries out the steps.
3. An event that means nothing on the present rung makes no step. An event that is a mistake of the
   program raises, and changes nothing.

Why not one timer for each rung: a blocked loop runs no timers, so the watchdog must be able to ask
as well, and the two would disagree. Why one absolute deadline and not a sum of timeouts: each late
wake-up would move the end further back.

The state is the rung, and the last move that was made on it:

    RUNNING -> DRAIN -> CANCEL -> ABANDON -> EXIT
                          |          |
                          + AGAIN    + SPENT, where EXIT does not apply
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from supervisor._core.errors import UsageError
from supervisor._core.events import Rung
from supervisor._core.settings import Ladder

__all__ = ["DUPLICATE_SECONDS", "TABLE", "LadderState", "Move", "Step", "Trigger"]

Trigger = Literal["request", "signal", "idle", "time"]

# For each rung: the lowest rung that each kind of event leads to. No entry: the event does nothing.
TABLE: Final[Mapping[Rung, Mapping[Trigger, Rung]]] = {
    Rung.RUNNING: {
        "request": Rung.DRAIN,
        "signal": Rung.DRAIN,
    },
    Rung.DRAIN: {
        "request": Rung.CANCEL,
        "signal": Rung.CANCEL,
        "idle": Rung.CANCEL,
        "time": Rung.CANCEL,
    },
    Rung.CANCEL: {
        "request": Rung.ABANDON,
        "signal": Rung.ABANDON,
        "time": Rung.ABANDON,
    },
    Rung.ABANDON: {
        "request": Rung.EXIT,
        "signal": Rung.EXIT,
        "time": Rung.EXIT,
    },
    Rung.EXIT: {},
}
# Not in the table:
# - A signal has an entry rung, and goes there where that is higher. A request goes to the rung that
#   it names, or nowhere. The rungs between are skipped.
# - Where EXIT does not apply, a signal stays at ABANDON, and time makes one move SPENT there.
# - Half way through CANCEL, time makes one move AGAIN.
# - A signal does not count within DUPLICATE_SECONDS of the last one of its number that counted.
# - A signal that is dispatched late climbs from the rung that was due when it arrived. Its rung's
#   seconds begin at that time.

DUPLICATE_SECONDS: Final = 0.3
"""A terminal and a wrapper may both deliver one Ctrl-C. Nobody presses twice within this time."""


class Move(enum.Enum):
    """What a step does."""

    ENTER = "enter"
    """A rung is entered."""

    AGAIN = "again"
    """Half of CANCEL is over: cancel again what still runs."""

    SPENT = "spent"
    """The time of ABANDON is over, and nothing follows: EXIT does not apply."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do now: the move, its rung, when it was made, and what led to it."""

    move: Move
    rung: Rung
    at: float
    trigger: Trigger


class LadderState:
    """How far one stop is on the ladder.

    Events may come late, twice and in any order. The state never goes back, and it enters each rung
    at most once. A time earlier than the last one seen counts as that one. Not thread-safe: hold a
    lock to feed it from several threads.

    Args:
        ladder: The seconds of each rung.
        exits: Whether EXIT applies: True from the start, None after a signal, False never. With an
            infinite `ladder.abandon` it never applies.
    """

    def __init__(self, ladder: Ladder, *, exits: bool | None = None) -> None:
        self._seconds = {rung: ladder.seconds(rung) for rung in Rung}
        self._budget = {rung: ladder.budget(rung) for rung in Rung}
        self._kept = {rung: self._seconds_behind(rung) for rung in Rung}
        self.can_exit = exits is not False and ladder.abandon < math.inf
        """Whether EXIT applies, or will after a signal."""
        self.exits = exits is True and self.can_exit
        """Whether EXIT applies."""
        self.rung = Rung.RUNNING
        """The present rung."""
        self.entered_at = -math.inf
        """The time at which the present rung was entered; -inf while RUNNING."""
        self._move = Move.ENTER
        self._end = math.inf
        self._seen = -math.inf
        self._counted: dict[int, float] = {}
        self._due = {Rung.RUNNING: -math.inf}  # when each rung was due, as far as it was entered

    def __repr__(self) -> str:
        return f"<LadderState {self}>"

    def __str__(self) -> str:
        if self.rung is Rung.RUNNING:
            return "RUNNING"
        age = f"{self.rung.name} for {self._seen - self.entered_at:.3g} s"
        if self.deadline is None:
            return f"{age}, no EXIT"
        return f"{age}, EXIT in {self.deadline - self._seen:.3g} s"

    @property
    def began_at(self) -> float | None:
        """The time of the event that began the stop; None while RUNNING."""
        return min((due for rung, due in self._due.items() if rung), default=None)

    @property
    def counted(self) -> Mapping[int, float]:
        """For each signal that counted, the time at which it last arrived."""
        return dict(self._counted)

    @property
    def next_at(self) -> float | None:
        """The time at which `tick` has something to do; None where time changes nothing."""
        at, _ = self._next()
        return at if at < math.inf else None

    @property
    def rung_ends_at(self) -> float | None:
        """The time at which the present rung's time is over; None where it has no limit."""
        at = self._over_at() if "time" in TABLE[self.rung] else math.inf
        return at if at < math.inf else None

    @property
    def deadline(self) -> float | None:
        """The latest time for EXIT; None while RUNNING, and where EXIT does not apply."""
        if self.rung is Rung.RUNNING or not self.exits or self._end == math.inf:
            return None
        return self._end

    def check_request(self, rung: Rung) -> None:
        """Raise a UsageError for RUNNING, and for EXIT where that does not apply."""
        if rung == Rung.RUNNING:
            raise UsageError(
                "a stop cannot be taken back to RUNNING; request DRAIN, CANCEL or ABANDON"
            )
        if rung == Rung.EXIT and not self.exits:
            raise UsageError(
                "EXIT cannot be requested here, the process is not ours to end; "
                "request ABANDON, or give exits=True and a finite Ladder.abandon"
            )

    def request(self, rung: Rung, now: float) -> list[Step]:
        """Go to `rung` because code asks for it; do nothing where the stop is that far already.

        Raises:
            UsageError: For RUNNING; for EXIT where that does not apply. Nothing has changed then.
        """
        self.check_request(rung)
        return self._climb("request", self._see(now), rung)

    def signal(
        self, number: int, entry: Rung, now: float, arrived: float | None = None
    ) -> list[Step]:
        """Climb by one rung, or to `entry` where that is higher; EXIT applies from now on.

        Args:
            number: The signal. It identifies duplicates, which change nothing.
            entry: The rung at which this signal enters the ladder.
            now: The time.
            arrived: The time at which the signal arrived, where that was earlier. The stop climbs
                from the rung that was due then, and the deadline counts from then.
        """
        now = self._see(now)
        at = now if arrived is None else min(arrived, now)
        if at - self._counted.get(number, -math.inf) < DUPLICATE_SECONDS:
            return []
        self._counted[number] = at
        self.exits = self.can_exit
        return self._climb("signal", now, entry, at=at)

    def idle(self, now: float) -> list[Step]:
        """Leave DRAIN, because there is nothing left to wait for; do nothing on other rungs."""
        return self._climb("idle", self._see(now))

    def tick(self, now: float) -> list[Step]:
        """Make the steps that are due, in order. It does no harm to call this too often.

        A rung that is entered late counts as entered now, not when it was due. So what is cancelled
        late still has the seconds until the deadline, and AGAIN comes half way through those.
        """
        now = self._see(now)
        steps: list[Step] = []
        while (at := self.next_at) is not None and at <= now:
            steps += self._pass_time(now)
        return steps

    def clip(self, deadline: float) -> None:
        """Move the end to `deadline` where it is later: that of an outer supervisor's stop.

        May be called before the stop. DRAIN shrinks first: the later rungs keep their seconds as
        far as these fit.
        """
        self._end = min(self._end, deadline)

    def _see(self, now: float) -> float:
        self._seen = max(self._seen, now)
        return self._seen

    def _climb(
        self, trigger: Trigger, now: float, asked: Rung = Rung.RUNNING, at: float | None = None
    ) -> list[Step]:
        at = now if at is None else at
        is_late = trigger == "signal" and at < now
        lowest = TABLE[self._rung_at(at) if is_late else self.rung].get(trigger)
        if lowest is None or (trigger == "request" and asked < lowest):
            return []
        rung = max(lowest, asked)
        if rung is Rung.EXIT and not self.exits:
            rung = Rung.ABANDON
        if trigger != "time":  # its rungs are in the deadline already; a new sum would be rounded
            self._end = min(self._end, at + self._budget[rung])
        self._due[rung] = min(self._due.get(rung, math.inf), at)
        return [self._enter(rung, trigger, now)] if rung > self.rung else []

    def _rung_at(self, at: float) -> Rung:
        """Return the rung that was due at a past time: one that was entered, or a later one."""
        rung = max(rung for rung, due in self._due.items() if due <= at)
        while "time" in TABLE[rung] and at >= self._end - self._kept[rung]:
            rung = TABLE[rung]["time"]
        return rung

    def _enter(self, rung: Rung, trigger: Trigger, now: float) -> Step:
        self.rung, self._move, self.entered_at = rung, Move.ENTER, now
        return Step(Move.ENTER, rung, now, trigger)

    def _pass_time(self, now: float) -> list[Step]:
        at, move = self._next()
        if move is Move.ENTER:
            return self._climb("time", now, at=at)
        self._move = move
        return [Step(move, self.rung, now, "time")]

    def _next(self) -> tuple[float, Move]:
        """Return when time makes its next move on this rung (inf: never), and the move."""
        if "time" not in TABLE[self.rung] or self._move is Move.SPENT:
            return math.inf, Move.ENTER
        over = self._over_at()
        half = self.entered_at + (over - self.entered_at) / 2
        # A rung of 0 seconds has no half: to cancel twice at one time is to cancel once.
        if self.rung is Rung.CANCEL and self._move is Move.ENTER and half < over:
            return half, Move.AGAIN
        if self.rung is Rung.ABANDON and not self.exits:
            return over, Move.SPENT
        return over, Move.ENTER

    def _over_at(self) -> float:
        """Return when this rung's time is over: after its seconds, or where later rungs begin.

        An infinite later rung keeps no seconds. It matters only under a clipped deadline, and would
        take all of it: then DRAIN and CANCEL would be over at once, for a user who asked for
        patience.
        """
        own = self.entered_at + self._seconds[self.rung]
        return min(own, self._end - self._kept[self.rung])

    def _seconds_behind(self, rung: Rung) -> float:
        """Return the seconds of the later rungs."""
        later = [self._seconds[other] for other in Rung if other > rung]
        return sum(seconds for seconds in later if seconds < math.inf)
