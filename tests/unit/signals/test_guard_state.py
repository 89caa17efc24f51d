"""What the process and its guard tell each other, and the deadline, which is the ladder's."""

from __future__ import annotations

import math
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import Ladder, Rung
from supervisor._core.ladder import DUPLICATE_SECONDS, LadderState
from supervisor._signals import guard_state
from supervisor._signals.guard_state import ArrivalReport, GuardState

ENTRIES = {signal.SIGTERM: Rung.DRAIN, signal.SIGINT: Rung.CANCEL}
# Eighths add up without rounding. The guard and the ladder add in another order each: a signal just
# as a rung ends would come before that for one of them, and after it for the other.
EIGHTHS = st.integers(0, 80).map(lambda eighths: eighths / 8)
BUDGETS = [3.0, 3.0, 2.0, 1.0, 0.0]  # of rungs of a second each
SECONDS = EIGHTHS | st.just(math.inf)


def _state(ladder_state: LadderState, ladder: Ladder) -> GuardState:
    budgets = [math.inf if math.isinf(ladder.abandon) else ladder.budget(rung) for rung in Rung]
    deadline = math.inf if ladder_state.deadline is None else ladder_state.deadline
    return GuardState(ladder_state.rung, deadline, budgets, ENTRIES, ladder_state.counted)


def test_the_guard_and_the_ladder_know_the_same_duplicates() -> None:
    """The constant that the guard cannot import has the ladder's value."""
    assert guard_state._DUPLICATE_SECONDS == DUPLICATE_SECONDS


@given(
    drain=SECONDS,
    cancel=EIGHTHS,
    abandon=SECONDS,
    before=st.booleans(),
    known=st.booleans(),
    signals=st.lists(st.tuples(st.sampled_from(list(ENTRIES)), EIGHTHS), max_size=6),
)
def test_its_deadline_is_the_ladders(
    drain: float,
    cancel: float,
    abandon: float,
    before: bool,
    known: bool,
    signals: list[tuple[signal.Signals, float]],
) -> None:
    """For all signals at all times, the guard computes the deadline that the ladder computes."""
    ladder = Ladder(drain=drain, cancel=cancel, abandon=abandon)
    ladder_state = LadderState(ladder, exits=True)
    if before:
        ladder_state.request(Rung.DRAIN, 0.0)
    if known:
        ladder_state.signal(signal.SIGTERM, Rung.DRAIN, 0.0)
    state = _state(ladder_state, ladder)
    now, unread = 0.0, list[tuple[int, float]]()
    for number, later in signals:
        now += later
        ladder_state.tick(now)
        ladder_state.signal(number, ENTRIES[number], now)
        unread.append((number, now))
    expected = math.inf if ladder_state.deadline is None else ladder_state.deadline
    assert state.deadline_after(unread) == pytest.approx(expected)


def test_a_state_survives_the_socket() -> None:
    """A state is one line and is read as it was written, infinity included."""
    state = GuardState(2, math.inf, [8.25, math.inf, 0.0], ENTRIES, {signal.SIGINT: 0.1})
    line = state.encoded()
    assert line.count(b"\n") == 1
    assert vars(GuardState.decoded(line)) == vars(state)
    assert len(line) < 512  # what POSIX lets a pipe take in one piece


def test_signals_that_stop_nothing_set_no_deadline() -> None:
    """An unread SIGCHLD sets no deadline."""
    state = GuardState(0, math.inf, BUDGETS, ENTRIES, {})
    assert state.deadline_after([(signal.SIGCHLD, 1.0)]) == math.inf


def test_a_state_is_delayed_in_its_times_alone() -> None:
    """A delayed state differs in its deadline and in the times of counted signals."""
    state = GuardState(1, 103.0, BUDGETS, ENTRIES, {signal.SIGINT: 100.0}, is_program=True)
    changed = {"deadline": 113.0, "counted": {signal.SIGINT: 110.0}}
    assert vars(state.delayed(10.0)) == vars(state) | changed


def test_a_state_whose_time_stands_still_has_no_deadline() -> None:
    """Without its deadline a state differs in the deadline and the budgets."""
    state = GuardState(1, 103.0, BUDGETS, ENTRIES, {signal.SIGINT: 100.0}, is_program=True)
    changed = {"deadline": math.inf, "budgets": [math.inf] * 5}
    assert vars(state.without_deadline()) == vars(state) | changed


def test_a_report_survives_the_socket() -> None:
    """An arrival report is one line and is read as it was written."""
    report = ArrivalReport(0.1, [1 / 3, 2.0])
    line = report.encoded()
    assert line.count(b"\n") == 1
    assert vars(ArrivalReport.decoded(line)) == vars(report)
