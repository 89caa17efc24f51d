"""The ladder's rules: facts and the time in, steps out.

Rules for this file:

1. Everything that decides about a stop's course lives here, as much of it as possible in `TABLE`.
   What does not fit the table is listed below it, and stands in `LadderState`.
2. Nothing here knows a clock, a loop, a thread or AutoGen. The time comes in with each fact, in
   seconds of one monotonic clock, whose zero does not matter; what to do about a step is the
   conductor's.
3. A fact that means nothing on the present rung makes no step. One that is a mistake of the program
   raises, and changes nothing.

Why not timers, one per rung: a blocked loop has none, so the watchdog must be able to ask as well,
and the two would disagree. Why one absolute deadline and not a sum of timeouts: each late wake-up
would push the end further back.

The state is the rung and the last move made on it:

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

__all__ = ["DUPLICATE_SECONDS", "TABLE", "Cause", "LadderState", "Move", "Step"]

Cause = Literal["request", "signal", "idle", "time"]

# On each rung, the lowest rung that each kind of fact leads to; none where there is no entry.
TABLE: Final[Mapping[Rung, Mapping[Cause, Rung]]] = {
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
# - A signal names its entry rung and goes there where that is higher; a request goes to the rung
#   that it names, or nowhere. The rungs between are not entered.
# - Where EXIT does not apply, a signal stays at ABANDON, and time makes one SPENT there instead.
# - Half way through CANCEL, time makes one AGAIN.
# - A signal is not counted within DUPLICATE_SECONDS of the last counted one of its kind.
# - A signal that is told late climbs from the rung on which it arrived, and its seconds began then.

DUPLICATE_SECONDS: Final = 0.3
"""A terminal and a wrapper both deliver the same Ctrl-C: no hand presses twice within this time."""


class Move(enum.Enum):
    """What a step does."""

    ENTER = "enter"
    """A rung is entered."""

    AGAIN = "again"
    """Half of CANCEL is over: what still runs is cancelled once more."""

    SPENT = "spent"
    """The time is over, and nothing comes after: EXIT does not apply."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do now: the move, its rung, the time of the fact, and its kind."""

    move: Move
    rung: Rung
    at: float
    cause: Cause


class LadderState:
    """One supervisor's way up the ladder.

    Facts may come late, twice and in any order; the way is never back, and each rung is entered at
    most once. A time earlier than the last one seen counts as that one. Not thread-safe: whoever
    feeds it from several threads holds a lock.

    Args:
        ladder: The seconds of each rung.
        exits: Whether EXIT applies from the start (under `run`), and not only after a signal. With
            an infinite `ladder.abandon` it never applies.
    """

    def __init__(self, ladder: Ladder, *, exits: bool = False) -> None:
        self._seconds = {rung: ladder.seconds(rung) for rung in Rung}
        self._budget = {rung: ladder.budget(rung) for rung in Rung}
        self._kept = {rung: self._seconds_behind(rung) for rung in Rung}
        self._is_bounded = ladder.abandon < math.inf
        self._exits = exits and self._is_bounded
        self._rung = Rung.RUNNING
        self._move = Move.ENTER
        self._entered_at = -math.inf
        self._end = math.inf
        self._seen = -math.inf
        self._counted: dict[int, float] = {}
        self._due = {Rung.RUNNING: -math.inf}  # when each rung was entered, or should have been

    def __repr__(self) -> str:
        if self._rung is Rung.RUNNING:
            return "<Climb RUNNING>"
        age = f"{self._rung.name} for {self._seen - self._entered_at:.3g} s"
        if self.deadline is None:
            return f"<Climb {age}, no EXIT>"
        return f"<Climb {age}, EXIT in {self.deadline - self._seen:.3g} s>"

    @property
    def rung(self) -> Rung:
        """The present rung."""
        return self._rung

    @property
    def exits(self) -> bool:
        """Whether EXIT applies."""
        return self._exits

    @property
    def entered_at(self) -> float:
        """When the present rung was entered; -inf while RUNNING."""
        return self._entered_at

    @property
    def began_at(self) -> float | None:
        """When what has begun the stop came; None while RUNNING."""
        return min((due for rung, due in self._due.items() if rung), default=None)

    @property
    def counted(self) -> Mapping[int, float]:
        """When the last one of each signal that was counted arrived."""
        return dict(self._counted)

    @property
    def next_at(self) -> float | None:
        """When `tick` has something to do; None where time changes nothing."""
        at, _ = self._next()
        return at if at < math.inf else None

    @property
    def deadline(self) -> float | None:
        """When EXIT is entered at the latest; None while RUNNING, and where EXIT does not apply."""
        if self._rung is Rung.RUNNING or not self._exits or self._end == math.inf:
            return None
        return self._end

    def request(self, rung: Rung, now: float) -> list[Step]:
        """Goes to `rung`, for code asks for it; does nothing where the climb is that far already.

        Raises:
            UsageError: For RUNNING; for EXIT where that does not apply. Nothing has changed then.
        """
        if rung == Rung.RUNNING:
            raise UsageError(
                "a stop cannot be taken back to RUNNING; request DRAIN, CANCEL or ABANDON"
            )
        if rung == Rung.EXIT and not self._exits:
            raise UsageError(
                "EXIT cannot be requested here, the process is not ours to end; "
                "request ABANDON, or run under supervisor.run with a finite Ladder.abandon"
            )
        return self._climb("request", self._see(now), rung)

    def signal(
        self, number: int, entry: Rung, now: float, arrived: float | None = None
    ) -> list[Step]:
        """Climbs by one rung, or to `entry` where that is higher; EXIT applies from here on.

        Args:
            number: The signal, to know duplicates by: these change nothing.
            entry: The rung at which this signal enters the ladder.
            now: Seconds.
            arrived: When it arrived, where that was earlier: it climbs from the rung that was due
                then, and the deadline counts from then.
        """
        now = self._see(now)
        at = now if arrived is None else min(arrived, now)
        if at - self._counted.get(number, -math.inf) < DUPLICATE_SECONDS:
            return []
        self._counted[number] = at
        self._exits = self._is_bounded
        return self._climb("signal", now, entry, at=at)

    def idle(self, now: float) -> list[Step]:
        """Leaves the rung, for there is nothing to wait for on it; only DRAIN is left so."""
        return self._climb("idle", self._see(now))

    def tick(self, now: float) -> list[Step]:
        """Makes the steps that are due, in order; may be called at any time, and too often.

        A rung that is entered late is entered now, not when it was due: what is cancelled only now
        still has what is left until the deadline, and its AGAIN comes half way through that.
        """
        now = self._see(now)
        steps: list[Step] = []
        while (at := self.next_at) is not None and at <= now:
            steps += self._pass_time(now)
        return steps

    def clip(self, deadline: float) -> None:
        """Makes the end no later than `deadline`, an outer supervisor's, also before the stop.

        The rungs shrink from DRAIN on: the later ones keep their seconds as far as they fit.
        """
        self._end = min(self._end, deadline)

    def _see(self, now: float) -> float:
        self._seen = max(self._seen, now)
        return self._seen

    def _climb(
        self, cause: Cause, now: float, asked: Rung = Rung.RUNNING, at: float | None = None
    ) -> list[Step]:
        at = now if at is None else at
        is_late = cause == "signal" and at < now
        lowest = TABLE[self._rung_at(at) if is_late else self._rung].get(cause)
        if lowest is None or (cause == "request" and asked < lowest):
            return []
        rung = max(lowest, asked)
        if rung is Rung.EXIT and not self._exits:
            rung = Rung.ABANDON
        if cause != "time":  # which is in the deadline already; adding it up again would round
            self._end = min(self._end, at + self._budget[rung])
        self._due[rung] = min(self._due.get(rung, math.inf), at)
        return [self._enter(rung, cause, now)] if rung > self._rung else []

    def _rung_at(self, at: float) -> Rung:
        """The rung that was due at a time that is past: by what has been entered, or by time."""
        rung = max(rung for rung, due in self._due.items() if due <= at)
        while "time" in TABLE[rung] and at >= self._end - self._kept[rung]:
            rung = TABLE[rung]["time"]
        return rung

    def _enter(self, rung: Rung, cause: Cause, now: float) -> Step:
        self._rung, self._move, self._entered_at = rung, Move.ENTER, now
        return Step(Move.ENTER, rung, now, cause)

    def _pass_time(self, now: float) -> list[Step]:
        at, move = self._next()
        if move is Move.ENTER:
            return self._climb("time", now, at=at)
        self._move = move
        return [Step(move, self._rung, now, "time")]

    def _next(self) -> tuple[float, Move]:
        """Returns when time makes its next move on this rung, and which; at inf: never."""
        if "time" not in TABLE[self._rung] or self._move is Move.SPENT:
            return math.inf, Move.ENTER
        over = self._over_at()
        half = self._entered_at + (over - self._entered_at) / 2
        # A rung of no seconds has no half: to cancel twice at one instant is to cancel once.
        if self._rung is Rung.CANCEL and self._move is Move.ENTER and half < over:
            return half, Move.AGAIN
        if self._rung is Rung.ABANDON and not self._exits:
            return over, Move.SPENT
        return over, Move.ENTER

    def _over_at(self) -> float:
        """Returns when the rung's time is over: it has its own seconds, the later ones keep theirs.

        An infinite later rung keeps none. It can only be here with a clipped deadline, and would
        else take all of that: DRAIN and CANCEL would be passed at once by who asked for patience.
        """
        own = self._entered_at + self._seconds[self._rung]
        return min(own, self._end - self._kept[self._rung])

    def _seconds_behind(self, rung: Rung) -> float:
        """Return the seconds of the later rungs."""
        later = [self._seconds[other] for other in Rung if other > rung]
        return sum(seconds for seconds in later if seconds < math.inf)
