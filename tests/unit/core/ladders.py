"""Ladders for tests: strategies, and the states and moves of a ladder.

The times are made up, and multiples of 1/8 s. These add up exactly, so the tests compare exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from signal import SIGHUP, SIGINT, SIGTERM

from hypothesis import strategies as st

from supervisor._core.events import Rung
from supervisor._core.ladder import LadderState, Move, Step
from supervisor._core.settings import Ladder

DRAIN, CANCEL, ABANDON, EXIT = Rung.DRAIN, Rung.CANCEL, Rung.ABANDON, Rung.EXIT

eighths = st.integers(0, 80).map(lambda n: n / 8)
entries = st.sampled_from([DRAIN, CANCEL, ABANDON])
signals = st.sampled_from([SIGTERM, SIGINT, SIGHUP])
ladders = st.builds(Ladder, drain=eighths, cancel=eighths, abandon=eighths)
patience = eighths | st.just(math.inf)
patient_ladders = st.builds(Ladder, drain=patience, cancel=patience, abandon=patience)


def visible(state: LadderState) -> tuple[object, ...]:
    """All that can be seen of a state, but its age."""
    return state.rung, state.entered_at, state.next_at, state.deadline


def prompt_ticks(state: LadderState, until: float = math.inf) -> Iterator[Step]:
    """Return the steps of a ladder that is asked exactly when it has something to do."""
    while (at := state.next_at) is not None and at <= until:
        yield from state.tick(at)


def moves_over_time(state: LadderState, first: list[Step]) -> list[tuple[float, Move, Rung]]:
    """Return the first steps, and the moves that time makes after them."""
    return [(step.at, step.move, step.rung) for step in (*first, *prompt_ticks(state))]


def entered(steps: list[Step]) -> list[Rung]:
    """Return the rungs that these steps enter."""
    return [step.rung for step in steps if step.move is Move.ENTER]
