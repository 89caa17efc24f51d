"""What holds on the ladder whatever comes, and in any order."""

from __future__ import annotations

import math
from itertools import pairwise
from signal import SIGINT

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisor._core.errors import UsageError
from supervisor._core.events import Rung
from supervisor._core.ladder import DUPLICATE_SECONDS, LadderState, Move, Step
from supervisor._core.settings import Ladder
from tests.unit.core.ladders import (
    ABANDON,
    CANCEL,
    DRAIN,
    EXIT,
    eighths,
    entered,
    entries,
    ladders,
    patient_ladders,
    prompt_ticks,
    signals,
    visible,
)

SPACE = 0.375  # between two signals that both count
may_exit = st.sampled_from([True, None, False])


@given(ladder=patient_ladders, exits=may_exit, entry=st.sampled_from(list(Rung)[1:]))
def test_three_signals(ladder: Ladder, exits: bool | None, entry: Rung) -> None:
    """Three spaced signals reach ABANDON, and EXIT where they enter above DRAIN."""
    state = LadderState(ladder, exits=exits)
    top = EXIT if ladder.abandon < math.inf and exits is not False else ABANDON

    for n in range(3):
        state.signal(SIGINT, entry, n * SPACE)

    assert state.rung == min(entry + 2, top)


@given(
    ladder=ladders,
    entry=entries,
    gaps=st.lists(st.tuples(eighths, st.sampled_from(["request", "signal", "idle"]), entries)),
)
def test_within_budget(ladder: Ladder, entry: Rung, gaps: list[tuple[float, str, Rung]]) -> None:
    """Whatever comes after the first event, EXIT comes by the budget of the rung entered then."""
    state = LadderState(ladder, exits=True)
    steps = state.request(entry, 0)
    now = 0.0
    for gap, event, rung in gaps:
        now += gap
        steps += prompt_ticks(state, until=now)
        steps += feed(state, event, rung, now)
    steps += prompt_ticks(state)

    assert steps[-1].rung is EXIT
    assert steps[-1].at <= ladder.budget(entry)


def feed(state: LadderState, event: str, rung: Rung, now: float) -> list[Step]:
    """Feed the state one event at `now`."""
    if event == "idle":
        return state.idle(now)
    return state.request(rung, now) if event == "request" else state.signal(SIGINT, rung, now)


@given(ladder=ladders, entry=entries, late=st.lists(eighths))
def test_late_ticks(ladder: Ladder, entry: Rung, late: list[float]) -> None:
    """A state that gets its ticks late enters the same rungs, and keeps its deadline."""
    prompt, lazy = LadderState(ladder, exits=True), LadderState(ladder, exits=True)
    prompt_steps = [*prompt.request(entry, 0), *prompt_ticks(prompt)]
    lazy_steps = lazy.request(entry, 0)
    for at in sorted(late):
        lazy_steps += lazy.tick(at)
        assert lazy.deadline == ladder.budget(entry)
    lazy_steps += lazy.tick(1000)

    assert entered(lazy_steps) == entered(prompt_steps)


class AnyOrder(RuleBasedStateMachine):
    """Feed a state anything at any time, and watch what it does."""

    @initialize(ladder=patient_ladders, exits=may_exit)
    def begin(self, ladder: Ladder, exits: bool | None) -> None:
        """Begin as a supervisor does, under `run`, as a guest, or where the process lives on."""
        self.ladder = ladder
        self.state = LadderState(ladder, exits=exits)
        self.can_exit = exits is not False and ladder.abandon < math.inf
        self.exits = exits is True and self.can_exit
        self.steps: list[Step] = []
        self.now = 0.0
        self.deadline = math.inf
        self.counted: dict[int, float] = {}

    def check(self, steps: list[Step], trigger: str) -> None:
        """Take the steps of one event, and check what holds for any."""
        assert all(step.trigger == trigger for step in steps)
        assert all(step.at == self.now for step in steps)
        self.steps += steps

    @rule(gap=eighths | st.sampled_from([0.125, 0.25]))
    def wait(self, gap: float) -> None:
        """Let time pass; the state learns of it with the next event."""
        self.now += gap

    @rule(gap=eighths)
    def clock_goes_back(self, gap: float) -> None:
        """Give an event an earlier time than the last one; it counts as made at that one."""
        self.check(self.state.tick(self.now), "time")
        self.check(self.state.idle(self.now - gap), "idle")

    @rule()
    def tick(self) -> None:
        """Tick: nothing is left to do now."""
        self.check(self.state.tick(self.now), "time")
        assert self.state.tick(self.now) == []
        assert self.state.next_at is None or self.state.next_at > self.now

    @precondition(lambda self: self.state.next_at is not None)
    @rule()
    def tick_on_time(self) -> None:
        """Tick at `next_at`: there is something to do."""
        self.now = max(self.now, self.state.next_at or 0)
        steps = self.state.tick(self.now)
        assert steps
        self.check(steps, "time")

    @rule(rung=st.sampled_from(Rung))
    def request(self, rung: Rung) -> None:
        """Request a rung: it is refused, entered, or too late."""
        if rung is Rung.RUNNING or (rung is EXIT and not self.exits):
            before = visible(self.state)
            with pytest.raises(UsageError):
                self.state.request(rung, self.now + 50)
            assert visible(self.state) == before
            return
        at = self.state.rung
        steps = self.state.request(rung, self.now)
        assert entered(steps) == ([rung] if rung > at else [])
        self.check(steps, "request")

    @rule(number=signals, entry=entries | st.just(EXIT))
    def signal(self, number: int, entry: Rung) -> None:
        """Send a signal: it climbs at most one time, and a duplicate changes nothing."""
        before = visible(self.state)
        steps = self.state.signal(number, entry, self.now)
        if self.now - self.counted.get(number, -math.inf) < DUPLICATE_SECONDS:
            assert steps == []
            assert visible(self.state) == before
            return
        self.counted[number] = self.now
        self.exits = self.can_exit
        assert len(steps) <= 1
        self.check(steps, "signal")

    @rule()
    def idle(self) -> None:
        """Report idleness: a rung is left for CANCEL, from DRAIN only."""
        expected = [CANCEL] if self.state.rung is DRAIN else []
        steps = self.state.idle(self.now)
        assert entered(steps) == expected
        self.check(steps, "idle")

    @rule(ahead=eighths)
    def clip(self, ahead: float) -> None:
        """Set an outer deadline: it enters no rung by itself."""
        before = self.state.rung, self.state.entered_at
        self.state.clip(self.now + ahead)
        self.deadline = min(self.deadline, self.now + ahead)
        assert (self.state.rung, self.state.entered_at) == before

    @invariant()
    def never_backwards(self) -> None:
        """Rungs are entered upwards only, and the last one is the present one."""
        rungs = entered(self.steps)
        assert all(lower < higher for lower, higher in pairwise([Rung.RUNNING, *rungs]))
        assert self.state.rung == (rungs[-1] if rungs else Rung.RUNNING)

    @invariant()
    def moves_once(self) -> None:
        """No rung is entered twice; AGAIN and SPENT come once, on their rung."""
        moves = [(step.move, step.rung) for step in self.steps]
        assert len(moves) == len(set(moves))
        others = {(move, rung) for move, rung in moves if move is not Move.ENTER}
        assert others <= {(Move.AGAIN, CANCEL), (Move.SPENT, ABANDON)}

    @invariant()
    def deadline_is_never_put_off(self) -> None:
        """Check that the deadline only comes nearer, and is never later than an outer one."""
        if self.state.deadline is None:
            return
        assert self.exits
        assert self.state.deadline <= self.deadline
        self.deadline = self.state.deadline

    @invariant()
    def next_is_before_the_end(self) -> None:
        """Time has its next step before the deadline, or at it."""
        if self.state.next_at is not None and self.state.deadline is not None:
            assert self.state.next_at <= self.state.deadline

    @invariant()
    def exit_only_where_it_applies(self) -> None:
        """EXIT is for stops by a signal, and under `run`."""
        assert self.state.rung < EXIT or self.exits


TestAnyOrder = AnyOrder.TestCase
