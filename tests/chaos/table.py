"""The chaos matrix as text: a block for each host, a line for each state."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tests.chaos.cells import PATIENCE, PLACES, SIGNALS, Cell, Outcome
from tests.chaos.states import STATES

LEGEND: Final = f"""\
Each cell: the exit status, or minus the signal that it died by, and the seconds from the last
signal that was sent (no more are sent once a program has ended). Of two loops, the slower one.
>{PATIENCE:g}: still there, and killed. *: gone without its own clean-up, a `finally`.
+n: so many of its child processes outlive it. !: a promise is broken.
"""

Outcomes = Mapping[Cell, Outcome | None]

_NAME, _CELL = 19, 15  # columns; the longest text, and a space


def heading() -> str:
    """Return the two lines above all blocks."""
    places = "".join(place.ljust(_CELL * len(SIGNALS)) for place in PLACES)
    signals = "".join(name.ljust(_CELL) for name in SIGNALS) * len(PLACES)
    return f"{'':{_NAME}}{places.rstrip()}\n{'':{_NAME}}{signals.rstrip()}"


def block(host: str, outcomes: Outcomes, failed: Sequence[Cell]) -> Iterator[str]:
    """Return the lines of a host.

    Args:
        host: The host.
        outcomes: Its cells; None for those that this machine cannot run.
        failed: Those that break a promise.
    """
    yield host
    for state in STATES:
        columns = itertools.product(PLACES, SIGNALS)
        texts = [_text(state, place, signals, outcomes, failed) for place, signals in columns]
        line = "".join(text.ljust(_CELL) for text in texts)
        yield f"  {state:{_NAME - 2}}{line.rstrip()}"


def _text(state: str, place: str, signals: str, outcomes: Outcomes, failed: Sequence[Cell]) -> str:
    found = {
        cell: outcome
        for cell, outcome in outcomes.items()
        if (cell.state, cell.place, cell.signals) == (state, place, signals)
    }
    known = [outcome for outcome in found.values() if outcome is not None]
    if not known:
        return "skipped"
    worst = max(known, key=lambda outcome: math.inf if outcome.status is None else outcome.seconds)
    broken = " !" if any(cell in failed for cell in found) else ""
    return _how(worst) + broken


def _how(outcome: Outcome) -> str:
    if outcome.status is None:
        return f">{PATIENCE:g}"
    dirty = "" if outcome.has_told("cleaned up") else " *"
    left = f" +{outcome.left}" if outcome.left else ""
    return f"{outcome.status} {outcome.seconds:.2f}{dirty}{left}"
