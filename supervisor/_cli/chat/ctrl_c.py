"""What Ctrl-C does at which moment: a rule without a terminal or a clock.

It never leaves by accident. Users of other tools have lost sessions that way: an answer had just
ended, or was slow to stop, and the next Ctrl-C was meant for it.
"""

from __future__ import annotations

import enum
import math
from typing import Final

SECONDS: Final = 2.0
"""For so long Ctrl-C leaves after the hint, and does not leave after it has stopped an answer."""


class Effect(enum.Enum):
    """What a Ctrl-C does."""

    STOP = "stops the answer"
    CLEAR = "clears the line"
    HINT = "says how to leave"
    LEAVE = "leaves"


class CtrlC:
    """The Ctrl-Cs of one chat."""

    def __init__(self) -> None:
        self._stopped_at = -math.inf
        self._hinted_at = -math.inf

    def note_stop(self, now: float) -> None:
        """Note that an answer is stopped, by whatever."""
        self._stopped_at = now

    def note_line(self) -> None:
        """Note that a line was entered: whoever does that has not asked to leave."""
        self._hinted_at = -math.inf

    def effect(self, now: float, *, is_answering: bool, has_text: bool) -> Effect:
        """Return what a Ctrl-C does.

        Args:
            now: The time, in seconds.
            is_answering: Whether it has stopped, or is to stop, an answer.
            has_text: Whether something stands in the line.
        """
        hinted_at, self._hinted_at = self._hinted_at, -math.inf
        if is_answering:
            self.note_stop(now)
            return Effect.STOP
        if has_text:
            return Effect.CLEAR
        if now - hinted_at <= SECONDS <= now - self._stopped_at:
            return Effect.LEAVE
        self._hinted_at = now
        return Effect.HINT
