"""The seconds of the ladder: when each move comes, also under an outer deadline."""

from __future__ import annotations

import math
from signal import SIGINT, SIGTERM

import pytest

from supervisor._core.events import Rung
from supervisor._core.ladder import LadderState, Move, Step
from supervisor._core.settings import Ladder
from tests.unit.core.ladders import (
    ABANDON,
    CANCEL,
    DRAIN,
    EXIT,
    entered,
    moves_over_time,
    prompt_ticks,
)


@pytest.mark.parametrize("start", [0.0, 1000.0, -7.5])
def test_sigterm_alone(start: float) -> None:
    """After one SIGTERM, time goes through all rungs, each in its seconds, on any clock."""
    state = LadderState(Ladder())

    steps = state.signal(SIGTERM, DRAIN, start)

    assert state.deadline == start + 8
    assert moves_over_time(state, steps) == [
        (start, Move.ENTER, DRAIN),
        (start + 5, Move.ENTER, CANCEL),
        (start + 6, Move.AGAIN, CANCEL),
        (start + 7, Move.ENTER, ABANDON),
        (start + 8, Move.ENTER, EXIT),
    ]
    assert state.deadline == start + 8
    assert state.next_at is None


def test_a_stop_by_code_is_spent() -> None:
    """A stop by code ends with one SPENT at ABANDON, and has no deadline."""
    state = LadderState(Ladder())

    steps = state.request(CANCEL, 0)

    assert state.deadline is None
    assert moves_over_time(state, steps) == [
        (0, Move.ENTER, CANCEL),
        (1, Move.AGAIN, CANCEL),
        (2, Move.ENTER, ABANDON),
        (3, Move.SPENT, ABANDON),
    ]
    assert state.tick(1000) == []


def test_signal_after_spent() -> None:
    """A signal makes EXIT apply to a stop by code, also after its time is spent."""
    state = LadderState(Ladder())
    state.request(ABANDON, 0)
    state.tick(1)

    assert state.signal(SIGINT, CANCEL, 9) == [Step(Move.ENTER, EXIT, 9, "signal")]


def test_signal_gives_the_deadline() -> None:
    """A signal gives a stop by code a deadline, no later than the end of its seconds."""
    state = LadderState(Ladder())
    state.request(DRAIN, 0)
    state.signal(SIGINT, CANCEL, 4)
    assert state.deadline == 7

    state = LadderState(Ladder())
    state.request(DRAIN, 0)
    state.tick(5)
    state.signal(SIGINT, CANCEL, 5.5)
    assert state.deadline == 6.5


def test_without_exit() -> None:
    """With an infinite ABANDON, time goes as far as that, and never further."""
    state = LadderState(Ladder(abandon=math.inf), exits=True)

    steps = state.signal(SIGTERM, DRAIN, 0)

    assert state.deadline is None
    rungs = [rung for _, _, rung in moves_over_time(state, steps)]
    assert rungs == [DRAIN, CANCEL, CANCEL, ABANDON]
    assert state.next_at is None


def test_infinite_drain() -> None:
    """With an infinite DRAIN only a further signal sets the deadline."""
    state = LadderState(Ladder(drain=math.inf), exits=True)

    state.signal(SIGTERM, DRAIN, 0)
    assert (state.next_at, state.deadline) == (None, None)

    state.signal(SIGTERM, DRAIN, 100)
    assert (state.next_at, state.deadline) == (101, 103)


def test_second_signal_moves_the_deadline_forward() -> None:
    """A second signal moves the deadline forward, to the seconds of the rungs that are left."""
    state = LadderState(Ladder())
    state.signal(SIGTERM, DRAIN, 0)

    steps = state.signal(SIGINT, CANCEL, 1)

    assert state.deadline == 4
    assert moves_over_time(state, steps)[-1] == (4, Move.ENTER, EXIT)


def test_late_signal_does_not_move_the_deadline_back() -> None:
    """A signal that comes when most of the time is over leaves the deadline where it was."""
    state = LadderState(Ladder())
    state.signal(SIGTERM, DRAIN, 0)

    assert entered(state.signal(SIGTERM, DRAIN, 7.5)) == [CANCEL]
    assert state.deadline == 8
    assert entered(state.tick(7.5)) == [ABANDON]


def test_idle_leaves_drain_at_once() -> None:
    """An idle DRAIN is left at once, and the rungs from CANCEL on have just their own seconds."""
    state = LadderState(Ladder())
    state.signal(SIGTERM, DRAIN, 0)

    steps = state.idle(0)

    assert steps == [Step(Move.ENTER, CANCEL, 0, "idle")]
    assert state.deadline == 3


def test_zero_seconds() -> None:
    """Rungs of 0 seconds are passed at the same time, each with its step."""
    state = LadderState(Ladder(total=0), exits=True)

    assert entered(state.request(DRAIN, 4)) == [DRAIN]
    assert state.next_at == 4
    assert state.tick(4) == [
        Step(Move.ENTER, CANCEL, 4, "time"),
        Step(Move.ENTER, ABANDON, 4, "time"),
        Step(Move.ENTER, EXIT, 4, "time"),
    ]


def test_several_due_at_once() -> None:
    """What is due at once comes in order."""
    state = LadderState(Ladder(), exits=True)
    state.request(CANCEL, 0)

    assert [(step.move, step.rung) for step in state.tick(3)] == [
        (Move.AGAIN, CANCEL),
        (Move.ENTER, ABANDON),
        (Move.ENTER, EXIT),
    ]


def test_blocked_loop() -> None:
    """A CANCEL that is entered late has its AGAIN half way through what is left of it."""
    state = LadderState(Ladder())
    state.signal(SIGTERM, DRAIN, 0)

    assert state.tick(6) == [Step(Move.ENTER, CANCEL, 6, "time")]
    assert state.entered_at == 6
    assert state.next_at == 6.5
    assert state.deadline == 8


def test_clock_that_goes_back() -> None:
    """A time earlier than the last one seen counts as that one."""
    state = LadderState(Ladder())
    state.tick(10)

    assert state.request(CANCEL, 3) == [Step(Move.ENTER, CANCEL, 10, "request")]


# --- an outer supervisor's deadline ---------------------------------------------------------------


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(
    ("deadline", "enters"),
    [
        (100, [0, 5, 7, 8]),
        (8, [0, 5, 7, 8]),
        (6, [0, 3, 5, 6]),
        (3, [0, 0, 2, 3]),
        (2, [0, 0, 1, 2]),
        (0.5, [0, 0, 0, 0.5]),
        (-1, [0, 0, 0, 0]),
    ],
)
def test_clip(deadline: float, enters: list[float], early: bool) -> None:
    """A clipped ladder shrinks from DRAIN on, whether it is clipped before or after the stop."""
    state = LadderState(Ladder(), exits=True)

    if early:
        state.clip(deadline)
        assert state.deadline is None
    steps = state.request(DRAIN, 0)
    state.clip(deadline)

    assert state.deadline == min(deadline, 8)
    steps += prompt_ticks_from(state, 0)
    assert [step.at for step in steps if step.move is Move.ENTER] == enters


def prompt_ticks_from(state: LadderState, now: float) -> list[Step]:
    """Return the same as `prompt_ticks`, for a state that has steps overdue at `now`."""
    return [*state.tick(now), *prompt_ticks(state)]


@pytest.mark.parametrize(
    ("ladder", "enters"),
    [
        (Ladder(abandon=math.inf), [(0, DRAIN), (5, CANCEL), (7, ABANDON)]),
        (Ladder(cancel=math.inf), [(0, DRAIN), (5, CANCEL), (9, ABANDON)]),
        (Ladder(drain=math.inf), [(0, DRAIN), (7, CANCEL), (9, ABANDON)]),
    ],
)
def test_clip_of_infinite_rungs(ladder: Ladder, enters: list[tuple[float, Rung]]) -> None:
    """An infinite rung takes what is left of a clipped ladder, but nothing of the rungs before."""
    state = LadderState(ladder)

    steps = state.request(DRAIN, 0)
    state.clip(10)
    steps += prompt_ticks(state)

    assert [(step.at, step.rung) for step in steps if step.move is Move.ENTER] == enters
    assert steps[-1] == Step(Move.SPENT, ABANDON, 10, "time")
