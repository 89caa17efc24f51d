"""The promises for our cells of the chaos matrix: seconds, a true status, an intact team."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Final

from supervisor import Rung
from tests.chaos.cells import PID_1, SIGNALS, Cell, Outcome
from tests.chaos.states import STATES
from tests.process.harness import NEVER_SAID

ONE: Final = 3.5
"""Seconds from one signal: three rungs of a second, and half of one to report and to be gone."""

THREE: Final = 1.5
"""Seconds from the third signal, behind which at most ABANDON is left."""

_FORCED: Final = 137
# Nothing in the process can end these in order.
_REFUSE: Final = ("stubborn", "GIL held in C", "stderr full")
# These may need more of ABANDON than the 0.35 s before a signal that is EXIT.
_LAST_TO_YIELD: Final = ("blocked loop", "child tree", "start-up")
# These are over before ABANDON, which cuts the body off from its result.
_KEEP_RESULT: Final = (
    "cooperative",
    "executor thread",
    "async tool",
    "tools' processes",
    "input()",
    "other thread",
)


def broken(cell: Cell, outcome: Outcome, margin: float = 0.0) -> list[str]:
    """Return the promises that an outcome of ours breaks.

    Args:
        cell: The cell.
        outcome: How it ended.
        margin: Seconds more, for a machine that has other things to do. There an end in order may
            be overtaken by a signal that is EXIT.
    """
    return list(_broken(cell, outcome, margin))


def _broken(cell: Cell, outcome: Outcome, margin: float) -> Iterator[str]:
    if not outcome.sent:
        yield f"it never came to the moment of the signal (its status is {outcome.status})"
        return
    if outcome.status is None:
        yield f"it was still there after {outcome.seconds:.1f} s"
        return
    most = (ONE if SIGNALS[cell.signals][1] == 1 else THREE) + margin
    if outcome.seconds > most:
        yield f"it took {outcome.seconds:.2f} s, and may take {most:g}"
    if outcome.left:
        yield f"{outcome.left} of its child processes outlive it"
    in_order = _in_order(cell)
    is_late = outcome.sent >= _signals_to_exit(cell)
    may_be_forced = is_late and (margin > 0 or cell.state in _LAST_TO_YIELD)
    expected = _expected(cell, in_order, may_be_forced)
    if outcome.status not in expected:
        yield f"its status is {outcome.status}, and not {' or '.join(map(str, sorted(expected)))}"
    elif outcome.status == in_order:
        yield from _disorder(cell, outcome)


def _in_order(cell: Cell) -> int:
    """Return the status of an end in order: death by the signal that began the stop."""
    number, _ = SIGNALS[cell.signals]
    if STATES[cell.state].moment == "cleaning":
        number = signal.SIGINT
    return 128 + number if cell.place == PID_1 else -number


def _signals_to_exit(cell: Cell) -> int:
    """Return which of the signals means EXIT, counted from 1; each climbs a rung."""
    if STATES[cell.state].moment == "cleaning":  # SIGINT has come before
        return Rung.EXIT - Rung.CANCEL
    entry = Rung.CANCEL if SIGNALS[cell.signals][0] == signal.SIGINT else Rung.DRAIN
    return Rung.EXIT - entry + 1


def _expected(cell: Cell, in_order: int, may_be_forced: bool) -> set[int]:
    # What is killed from outside has died by SIGKILL; its parent, as PID 1, makes 137 of that.
    forced = {_FORCED} if cell.place == PID_1 else {_FORCED, -signal.SIGKILL}
    if cell.state in _REFUSE:
        return forced
    return forced | {in_order} if may_be_forced else {in_order}


def _disorder(cell: Cell, outcome: Outcome) -> Iterator[str]:
    yield from (f"it says {text!r}" for text in NEVER_SAID if text in outcome.stderr)
    if not outcome.has_told("cleaned up"):
        yield "its `finally` did not run"
    if STATES[cell.state].moment == "starting":
        return
    if not outcome.has_told("settled"):
        yield "its team is not settled"
    if cell.state in _KEEP_RESULT and outcome.sent < _signals_to_exit(cell) - 1:
        reasons = [fact["reason"] for fact in outcome.facts if fact["fact"] == "result"]
        if reasons != [f"Stopped by {SIGNALS[cell.signals][0].name}"]:
            yield f"its result is lost, or does not say why: {reasons}"
