"""Signals on the ladder: those that are dispatched late, and duplicates."""

from __future__ import annotations

from signal import SIGINT, SIGTERM

from hypothesis import given
from hypothesis import strategies as st

from supervisor._core.ladder import DUPLICATE_SECONDS, LadderState, Move, Step
from supervisor._core.settings import Ladder
from tests.unit.core.ladders import (
    ABANDON,
    CANCEL,
    DRAIN,
    EXIT,
    eighths,
    entered,
    ladders,
    moves_over_time,
    signals,
)

# --- signals that are dispatched late -------------------------------------------------------------


def test_a_signal_dispatched_late_counts_from_its_arrival() -> None:
    """Its rung is entered now, and has what is left of the seconds since its arrival."""
    state = LadderState(Ladder())

    assert state.signal(SIGINT, CANCEL, 1.5, 0) == [Step(Move.ENTER, CANCEL, 1.5, "signal")]
    assert (state.began_at, state.deadline) == (0, 3)
    assert moves_over_time(state, []) == [
        (1.75, Move.AGAIN, CANCEL),
        (2, Move.ENTER, ABANDON),
        (3, Move.ENTER, EXIT),
    ]


def test_what_has_been_due_since_a_signal_came_follows_at_once() -> None:
    """A signal that is dispatched after its deadline goes through all rungs at once."""
    state = LadderState(Ladder())
    state.signal(SIGTERM, DRAIN, 100, 0)

    assert entered(state.tick(100)) == [CANCEL, ABANDON, EXIT]


def test_a_signal_dispatched_late_climbs_from_the_rung_that_was_due() -> None:
    """Time has moved on since: the second Ctrl-C abandons, and does not end the process."""
    state = LadderState(Ladder())
    state.signal(SIGINT, CANCEL, 0)
    state.tick(2.5)
    assert state.rung is ABANDON

    assert state.signal(SIGINT, CANCEL, 2.5, 1) == []
    assert state.deadline == 2


def test_a_signal_that_came_as_a_rung_ended_climbs_from_the_next() -> None:
    """DRAIN was over in the moment in which it arrived, so it climbs from CANCEL."""
    state = LadderState(Ladder(drain=2, cancel=2, abandon=2))
    state.request(DRAIN, 0)

    assert entered(state.signal(SIGTERM, DRAIN, 2.5, 2)) == [ABANDON]


def test_a_signal_counts_again_once_the_time_of_duplicates_is_over() -> None:
    """Just before that it is a duplicate, and in that very moment it is not."""
    state = LadderState(Ladder())
    state.signal(SIGINT, CANCEL, 0)

    assert state.signal(SIGINT, CANCEL, DUPLICATE_SECONDS - 2**-10) == []
    assert entered(state.signal(SIGINT, CANCEL, DUPLICATE_SECONDS)) == [ABANDON]


def test_signals_dispatched_late_are_duplicates_by_their_arrival() -> None:
    """Two that are dispatched together count twice if they arrived far enough apart."""
    state = LadderState(Ladder())

    assert entered(state.signal(SIGTERM, DRAIN, 3, 0)) == [DRAIN]
    assert state.signal(SIGTERM, DRAIN, 3, 0.25) == []
    assert entered(state.signal(SIGTERM, DRAIN, 3, 0.5)) == [CANCEL]
    assert state.deadline == 3.5
    assert state.counted == {SIGTERM: 0.5}


@given(
    ladder=ladders,
    arrivals=st.lists(st.tuples(signals, st.integers(0, 40).map(lambda n: n / 8)), min_size=1),
    late=eighths,
)
def test_the_deadline_is_the_same_however_late_they_are_dispatched(
    ladder: Ladder, arrivals: list[tuple[int, float]], late: float
) -> None:
    """Signals set the same deadline whether they are dispatched together later, or at once."""
    arrivals = sorted(arrivals, key=lambda one: one[1])
    prompt, held = LadderState(ladder, exits=True), LadderState(ladder, exits=True)
    now = arrivals[-1][1] + late
    for number, at in arrivals:
        entry = CANCEL if number == SIGINT else DRAIN
        prompt.tick(at)
        prompt.signal(number, entry, at)
        held.tick(at)
        held.signal(number, entry, now, at)
        held.tick(now)
    assert held.deadline == prompt.deadline


# --- duplicates -----------------------------------------------------------------------------------


def test_duplicate_is_of_the_last_counted() -> None:
    """A storm of one signal counts once in 0.3 s: a duplicate does not delay the next one."""
    state = LadderState(Ladder())
    storm = [state.signal(SIGTERM, DRAIN, n / 8) for n in range(9)]

    assert [step.at for steps in storm for step in steps] == [0, 0.375, 0.75]


def test_another_signal_is_no_duplicate() -> None:
    """Two different signals both count, however close."""
    state = LadderState(Ladder())
    state.signal(SIGTERM, DRAIN, 0)

    assert entered(state.signal(SIGINT, CANCEL, 0)) == [CANCEL]
    assert state.signal(SIGTERM, DRAIN, 0.25) == []


def test_code_is_no_duplicate() -> None:
    """A signal counts right after a request by code."""
    state = LadderState(Ladder())
    state.request(DRAIN, 0)

    assert entered(state.signal(SIGTERM, DRAIN, 0)) == [CANCEL]
