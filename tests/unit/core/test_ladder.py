"""The ladder's rules: each cell of the table, the seconds, and what holds in any order of facts.

The times are made up, and multiples of 1/8 s: these add up exactly, so that nothing is "about".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from signal import SIGHUP, SIGINT, SIGTERM

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisor._core.errors import UsageError
from supervisor._core.events import Rung
from supervisor._core.ladder import DUPLICATE_SECONDS, TABLE, LadderState, Move, Step
from supervisor._core.settings import Ladder

DRAIN, CANCEL, ABANDON, EXIT = Rung.DRAIN, Rung.CANCEL, Rung.ABANDON, Rung.EXIT
SPACE = 0.375  # between two signals that both count

eighths = st.integers(0, 80).map(lambda n: n / 8)
entries = st.sampled_from([DRAIN, CANCEL, ABANDON])
signals = st.sampled_from([SIGTERM, SIGINT, SIGHUP])
ladders = st.builds(Ladder, drain=eighths, cancel=eighths, abandon=eighths)
patience = eighths | st.just(math.inf)
patient_ladders = st.builds(Ladder, drain=patience, cancel=patience, abandon=patience)


def facts(climb: LadderState) -> tuple[object, ...]:
    """All that can be seen of a climb, but its age."""
    return climb.rung, climb.entered_at, climb.next_at, climb.deadline


def prompt_ticks(climb: LadderState, until: float = math.inf) -> Iterator[Step]:
    """Return the steps of a ladder that is asked exactly when it has something to do."""
    while (at := climb.next_at) is not None and at <= until:
        yield from climb.tick(at)


def course(climb: LadderState, first: list[Step]) -> list[tuple[float, Move, Rung]]:
    """Return the way of a ladder that is left to time, after its first steps."""
    return [(step.at, step.move, step.rung) for step in (*first, *prompt_ticks(climb))]


def entered(steps: list[Step]) -> list[Rung]:
    """Return the rungs that these steps enter."""
    return [step.rung for step in steps if step.move is Move.ENTER]


# --- the table, cell by cell ---------------------------------------------------------------------

# A rung that is entered, AGAIN or SPENT; "-" is no step; "!" is a UsageError.
UNDER_RUN = """
                 RUNNING  DRAIN    CANCEL   ABANDON  EXIT
request RUNNING  !        !        !        !        !
request DRAIN    DRAIN    -        -        -        -
request CANCEL   CANCEL   CANCEL   -        -        -
request ABANDON  ABANDON  ABANDON  ABANDON  -        -
request EXIT     EXIT     EXIT     EXIT     EXIT     -
signal  DRAIN    DRAIN    CANCEL   ABANDON  EXIT     -
signal  CANCEL   CANCEL   CANCEL   ABANDON  EXIT     -
signal  ABANDON  ABANDON  ABANDON  ABANDON  EXIT     -
signal  EXIT     EXIT     EXIT     EXIT     EXIT     -
idle    -        -        CANCEL   -        -        -
time    -        -        CANCEL   AGAIN    EXIT     -
"""
AS_GUEST = """
                 RUNNING  DRAIN    CANCEL   ABANDON
request RUNNING  !        !        !        !
request DRAIN    DRAIN    -        -        -
request CANCEL   CANCEL   CANCEL   -        -
request ABANDON  ABANDON  ABANDON  ABANDON  -
request EXIT     !        !        !        !
signal  DRAIN    DRAIN    CANCEL   ABANDON  EXIT
signal  CANCEL   CANCEL   CANCEL   ABANDON  EXIT
signal  ABANDON  ABANDON  ABANDON  ABANDON  EXIT
signal  EXIT     EXIT     EXIT     EXIT     EXIT
idle    -        -        CANCEL   -        -
time    -        -        CANCEL   AGAIN    SPENT
"""
WITHOUT_EXIT = """
                 RUNNING  DRAIN    CANCEL   ABANDON
request RUNNING  !        !        !        !
request DRAIN    DRAIN    -        -        -
request CANCEL   CANCEL   CANCEL   -        -
request ABANDON  ABANDON  ABANDON  ABANDON  -
request EXIT     !        !        !        !
signal  DRAIN    DRAIN    CANCEL   ABANDON  -
signal  CANCEL   CANCEL   CANCEL   ABANDON  -
signal  ABANDON  ABANDON  ABANDON  ABANDON  -
signal  EXIT     ABANDON  ABANDON  ABANDON  -
idle    -        -        CANCEL   -        -
time    -        -        CANCEL   AGAIN    -
"""


def cells(grid: str) -> Iterator[tuple[str, str, str, str]]:
    """Each cell of a grid as (rung, fact, the rung that it names, outcome)."""
    head, *rows = grid.strip("\n").splitlines()
    for row in rows:
        fact, named, *outcomes = row.split()
        for rung, outcome in zip(head.split(), outcomes, strict=True):
            yield rung, fact, named, outcome


def apply(climb: LadderState, fact: str, named: str) -> list[Step]:
    """Tells the climb one fact, 0.25 s after it has started; time's when it is due."""
    apply_at: dict[str, Callable[[], list[Step]]] = {
        "request": lambda: climb.request(Rung[named], 0.25),
        "signal": lambda: climb.signal(SIGINT, Rung[named], 0.25),
        "idle": lambda: climb.idle(0.25),
        "time": lambda: climb.tick(0.25 if climb.next_at is None else climb.next_at),
    }
    return apply_at[fact]()


def outcome_of(climb: LadderState, fact: str, named: str) -> str:
    """Return what a fact does, in the words of the grids; check that nothing is nothing."""
    before = facts(climb)
    try:
        steps = apply(climb, fact, named)
    except UsageError:
        assert facts(climb) == before
        return "!"
    if not steps:
        assert climb.rung == before[0]
        return "-"
    (step,) = steps
    assert step.rung is climb.rung
    assert step.cause == fact
    return step.rung.name if step.move is Move.ENTER else step.move.name


@pytest.mark.parametrize(
    ("grid", "ladder", "exits"),
    [
        pytest.param(UNDER_RUN, Ladder(), True, id="under run"),
        pytest.param(AS_GUEST, Ladder(), False, id="as guest"),
        pytest.param(WITHOUT_EXIT, Ladder(abandon=math.inf), True, id="without EXIT"),
    ],
)
def test_table(grid: str, ladder: Ladder, exits: bool) -> None:
    """On each rung each fact does what the grid says, and an illegal one changes nothing."""
    for rung, fact, named, outcome in cells(grid):
        climb = LadderState(ladder, exits=exits)
        if rung != "RUNNING":
            climb.request(Rung[rung], 0)
        assert outcome_of(climb, fact, named) == outcome, f"{fact} {named} on {rung}"


def test_table_only_climbs() -> None:
    """Each cell of the table leads to the next rung, so that none is left out."""
    for rung, causes in TABLE.items():
        assert set(causes.values()) <= {rung + 1}
    assert set(TABLE) == set(Rung)


# --- the seconds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0.0, 1000.0, -7.5])
def test_sigterm_alone(start: float) -> None:
    """One SIGTERM climbs the whole ladder in its seconds, on any clock."""
    climb = LadderState(Ladder())

    steps = climb.signal(SIGTERM, DRAIN, start)

    assert climb.deadline == start + 8
    assert course(climb, steps) == [
        (start, Move.ENTER, DRAIN),
        (start + 5, Move.ENTER, CANCEL),
        (start + 6, Move.AGAIN, CANCEL),
        (start + 7, Move.ENTER, ABANDON),
        (start + 8, Move.ENTER, EXIT),
    ]
    assert climb.deadline == start + 8
    assert climb.next_at is None


def test_guest_is_spent() -> None:
    """A stop by code ends with one SPENT at ABANDON, and has no deadline."""
    climb = LadderState(Ladder())

    steps = climb.request(CANCEL, 0)

    assert climb.deadline is None
    assert course(climb, steps) == [
        (0, Move.ENTER, CANCEL),
        (1, Move.AGAIN, CANCEL),
        (2, Move.ENTER, ABANDON),
        (3, Move.SPENT, ABANDON),
    ]
    assert climb.tick(1000) == []


def test_signal_after_spent() -> None:
    """A signal gives a guest's stop its EXIT, also after its time is spent."""
    climb = LadderState(Ladder())
    climb.request(ABANDON, 0)
    climb.tick(1)

    assert climb.signal(SIGINT, CANCEL, 9) == [Step(Move.ENTER, EXIT, 9, "signal")]


def test_signal_gives_the_deadline() -> None:
    """A signal gives a guest's stop its deadline, no later than its seconds end."""
    climb = LadderState(Ladder())
    climb.request(DRAIN, 0)
    climb.signal(SIGINT, CANCEL, 4)
    assert climb.deadline == 7

    climb = LadderState(Ladder())
    climb.request(DRAIN, 0)
    climb.tick(5)
    climb.signal(SIGINT, CANCEL, 5.5)
    assert climb.deadline == 6.5


def test_without_exit() -> None:
    """With an infinite ABANDON time climbs that far, and never further."""
    climb = LadderState(Ladder(abandon=math.inf), exits=True)

    steps = climb.signal(SIGTERM, DRAIN, 0)

    assert climb.deadline is None
    assert [rung for _, _, rung in course(climb, steps)] == [DRAIN, CANCEL, CANCEL, ABANDON]
    assert climb.next_at is None


def test_infinite_drain() -> None:
    """With an infinite DRAIN only a further signal sets the deadline."""
    climb = LadderState(Ladder(drain=math.inf), exits=True)

    climb.signal(SIGTERM, DRAIN, 0)
    assert (climb.next_at, climb.deadline) == (None, None)

    climb.signal(SIGTERM, DRAIN, 100)
    assert (climb.next_at, climb.deadline) == (101, 103)


def test_second_signal_brings_the_end_forward() -> None:
    """A climb by signal moves the deadline forward to what the rungs from there take."""
    climb = LadderState(Ladder())
    climb.signal(SIGTERM, DRAIN, 0)

    steps = climb.signal(SIGINT, CANCEL, 1)

    assert climb.deadline == 4
    assert course(climb, steps)[-1] == (4, Move.ENTER, EXIT)


def test_late_signal_does_not_put_the_end_off() -> None:
    """A signal that comes when the time is over leaves the deadline where it was."""
    climb = LadderState(Ladder())
    climb.signal(SIGTERM, DRAIN, 0)

    assert entered(climb.signal(SIGTERM, DRAIN, 7.5)) == [CANCEL]
    assert climb.deadline == 8
    assert entered(climb.tick(7.5)) == [ABANDON]


def test_idle_leaves_drain_at_once() -> None:
    """An idle DRAIN is left at once, and the rungs from CANCEL on have just their own seconds."""
    climb = LadderState(Ladder())
    climb.signal(SIGTERM, DRAIN, 0)

    steps = climb.idle(0)

    assert steps == [Step(Move.ENTER, CANCEL, 0, "idle")]
    assert climb.deadline == 3


def test_zero_seconds() -> None:
    """Rungs of no seconds are passed at the same instant, each with its step."""
    climb = LadderState(Ladder(total=0), exits=True)

    assert entered(climb.request(DRAIN, 4)) == [DRAIN]
    assert climb.next_at == 4
    assert climb.tick(4) == [
        Step(Move.ENTER, CANCEL, 4, "time"),
        Step(Move.ENTER, ABANDON, 4, "time"),
        Step(Move.ENTER, EXIT, 4, "time"),
    ]


def test_several_due_at_once() -> None:
    """What is due at once comes in order."""
    climb = LadderState(Ladder(), exits=True)
    climb.request(CANCEL, 0)

    assert [(step.move, step.rung) for step in climb.tick(3)] == [
        (Move.AGAIN, CANCEL),
        (Move.ENTER, ABANDON),
        (Move.ENTER, EXIT),
    ]


def test_blocked_loop() -> None:
    """A CANCEL that is entered late has its AGAIN half way through what is left of it."""
    climb = LadderState(Ladder())
    climb.signal(SIGTERM, DRAIN, 0)

    assert climb.tick(6) == [Step(Move.ENTER, CANCEL, 6, "time")]
    assert climb.entered_at == 6
    assert climb.next_at == 6.5
    assert climb.deadline == 8


def test_clock_that_goes_back() -> None:
    """A time earlier than the last one seen counts as that one."""
    climb = LadderState(Ladder())
    climb.tick(10)

    assert climb.request(CANCEL, 3) == [Step(Move.ENTER, CANCEL, 10, "request")]


# --- signals that are told late ------------------------------------------------------------------


def test_a_signal_that_is_told_late_counts_from_its_arrival() -> None:
    """Its rung is entered now, and has what is left of the seconds since then."""
    climb = LadderState(Ladder())

    assert climb.signal(SIGINT, CANCEL, 1.5, 0) == [Step(Move.ENTER, CANCEL, 1.5, "signal")]
    assert (climb.began_at, climb.deadline) == (0, 3)
    assert course(climb, []) == [
        (1.75, Move.AGAIN, CANCEL),
        (2, Move.ENTER, ABANDON),
        (3, Move.ENTER, EXIT),
    ]


def test_what_has_been_due_since_a_signal_came_follows_at_once() -> None:
    """It is told behind its deadline."""
    climb = LadderState(Ladder())
    climb.signal(SIGTERM, DRAIN, 100, 0)

    assert entered(climb.tick(100)) == [CANCEL, ABANDON, EXIT]


def test_a_signal_that_is_told_late_climbs_from_the_rung_that_was_due() -> None:
    """Time has climbed since: the second Ctrl-C abandons, and does not end the process."""
    climb = LadderState(Ladder())
    climb.signal(SIGINT, CANCEL, 0)
    climb.tick(2.5)
    assert climb.rung is ABANDON

    assert climb.signal(SIGINT, CANCEL, 2.5, 1) == []
    assert climb.deadline == 2


def test_signals_that_are_told_late_are_duplicates_by_their_arrival() -> None:
    """Two that are read together count twice if they came apart."""
    climb = LadderState(Ladder())

    assert entered(climb.signal(SIGTERM, DRAIN, 3, 0)) == [DRAIN]
    assert climb.signal(SIGTERM, DRAIN, 3, 0.25) == []
    assert entered(climb.signal(SIGTERM, DRAIN, 3, 0.5)) == [CANCEL]
    assert climb.deadline == 3.5
    assert climb.counted == {SIGTERM: 0.5}


@given(
    ladder=ladders,
    arrivals=st.lists(st.tuples(signals, st.integers(0, 40).map(lambda n: n / 8)), min_size=1),
    late=eighths,
)
def test_the_deadline_is_the_same_however_late_they_are_told(
    ladder: Ladder, arrivals: list[tuple[int, float]], late: float
) -> None:
    """Signals that are told together behind a held interpreter, or each as it comes."""
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


# --- duplicates ----------------------------------------------------------------------------------


def test_duplicate_is_of_the_last_counted() -> None:
    """A storm of one signal climbs once per 0.3 s: a duplicate does not put that off."""
    climb = LadderState(Ladder())
    storm = [climb.signal(SIGTERM, DRAIN, n / 8) for n in range(9)]

    assert [step.at for steps in storm for step in steps] == [0, 0.375, 0.75]


def test_another_signal_is_no_duplicate() -> None:
    """Two different signals both count, however close."""
    climb = LadderState(Ladder())
    climb.signal(SIGTERM, DRAIN, 0)

    assert entered(climb.signal(SIGINT, CANCEL, 0)) == [CANCEL]
    assert climb.signal(SIGTERM, DRAIN, 0.25) == []


def test_code_is_no_duplicate() -> None:
    """A signal counts right after a request by code."""
    climb = LadderState(Ladder())
    climb.request(DRAIN, 0)

    assert entered(climb.signal(SIGTERM, DRAIN, 0)) == [CANCEL]


# --- an outer supervisor's deadline --------------------------------------------------------------


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
    climb = LadderState(Ladder(), exits=True)

    if early:
        climb.clip(deadline)
        assert climb.deadline is None
    steps = climb.request(DRAIN, 0)
    climb.clip(deadline)

    assert climb.deadline == min(deadline, 8)
    steps += prompt_ticks_from(climb, 0)
    assert [step.at for step in steps if step.move is Move.ENTER] == enters


def prompt_ticks_from(climb: LadderState, now: float) -> list[Step]:
    """As `prompt_ticks`, for a climb that has steps overdue at `now`."""
    return [*climb.tick(now), *prompt_ticks(climb)]


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
    climb = LadderState(ladder)

    steps = climb.request(DRAIN, 0)
    climb.clip(10)
    steps += prompt_ticks(climb)

    assert [(step.at, step.rung) for step in steps if step.move is Move.ENTER] == enters
    assert steps[-1] == Step(Move.SPENT, ABANDON, 10, "time")


# --- what a climb tells of itself ----------------------------------------------------------------


def test_running() -> None:
    """A climb that was not stopped has no deadline and nothing to wait for."""
    climb = LadderState(Ladder(), exits=True)

    assert facts(climb) == (Rung.RUNNING, -math.inf, None, None)
    assert repr(climb) == "<LadderState RUNNING>"


def test_repr() -> None:
    """The repr tells the rung, its age at the last fact, and the time that is left."""
    climb = LadderState(Ladder())
    climb.request(DRAIN, 100)
    climb.tick(101.5)
    assert repr(climb) == "<LadderState DRAIN for 1.5 s, no EXIT>"

    climb.signal(SIGINT, CANCEL, 102)
    climb.tick(102.25)
    assert repr(climb) == "<LadderState CANCEL for 0.25 s, EXIT in 2.75 s>"


@pytest.mark.parametrize(("rung", "instead"), [(Rung.RUNNING, "DRAIN"), (EXIT, "ABANDON")])
def test_illegal_request_says_what_to_do(rung: Rung, instead: str) -> None:
    """A rung that cannot be requested is refused with one that can."""
    with pytest.raises(UsageError, match=f"; request {instead}"):
        LadderState(Ladder()).request(rung, 0)


# --- in any order --------------------------------------------------------------------------------


@given(ladder=patient_ladders, exits=st.booleans(), entry=st.sampled_from(list(Rung)[1:]))
def test_three_signals(ladder: Ladder, exits: bool, entry: Rung) -> None:
    """Three spaced signals reach ABANDON, and EXIT where they enter above DRAIN."""
    climb = LadderState(ladder, exits=exits)
    top = EXIT if ladder.abandon < math.inf else ABANDON

    for n in range(3):
        climb.signal(SIGINT, entry, n * SPACE)

    assert climb.rung == min(entry + 2, top)


@given(
    ladder=ladders,
    entry=entries,
    gaps=st.lists(st.tuples(eighths, st.sampled_from(["request", "signal", "idle"]), entries)),
)
def test_within_budget(ladder: Ladder, entry: Rung, gaps: list[tuple[float, str, Rung]]) -> None:
    """Whatever comes after the first fact, EXIT comes by the budget of the rung entered then."""
    climb = LadderState(ladder, exits=True)
    steps = climb.request(entry, 0)
    now = 0.0
    for gap, fact, rung in gaps:
        now += gap
        steps += prompt_ticks(climb, until=now)
        steps += tell(climb, fact, rung, now)
    steps += prompt_ticks(climb)

    assert steps[-1].rung is EXIT
    assert steps[-1].at <= ladder.budget(entry)


def tell(climb: LadderState, fact: str, rung: Rung, now: float) -> list[Step]:
    """Tells the climb one fact at `now`."""
    if fact == "idle":
        return climb.idle(now)
    return climb.request(rung, now) if fact == "request" else climb.signal(SIGINT, rung, now)


@given(ladder=ladders, entry=entries, late=st.lists(eighths))
def test_however_rarely_asked(ladder: Ladder, entry: Rung, late: list[float]) -> None:
    """A climb that is asked late enters the same rungs, and the same EXIT time holds."""
    prompt, lazy = LadderState(ladder, exits=True), LadderState(ladder, exits=True)
    prompt_steps = [*prompt.request(entry, 0), *prompt_ticks(prompt)]
    lazy_steps = lazy.request(entry, 0)
    for at in sorted(late):
        lazy_steps += lazy.tick(at)
        assert lazy.deadline == ladder.budget(entry)
    lazy_steps += lazy.tick(1000)

    assert entered(lazy_steps) == entered(prompt_steps)


class AnyOrder(RuleBasedStateMachine):
    """Tells a climb anything at any time, and watches what it does."""

    @initialize(ladder=patient_ladders, exits=st.booleans())
    def begin(self, ladder: Ladder, exits: bool) -> None:
        """Begin as a supervisor does, under `run` or as a guest."""
        self.ladder = ladder
        self.climb = LadderState(ladder, exits=exits)
        self.exits = exits and ladder.abandon < math.inf
        self.steps: list[Step] = []
        self.now = 0.0
        self.deadline = math.inf
        self.counted: dict[int, float] = {}

    def check(self, steps: list[Step], cause: str) -> None:
        """Take the steps of one fact, and check what holds for any."""
        assert all(step.cause == cause for step in steps)
        assert all(step.at == self.now for step in steps)
        self.steps += steps

    @rule(gap=eighths | st.sampled_from([0.125, 0.25]))
    def wait(self, gap: float) -> None:
        """Time passes, and the climb is told with the next fact."""
        self.now += gap

    @rule(gap=eighths)
    def clock_goes_back(self, gap: float) -> None:
        """Give a fact an earlier time than the last one; it counts as made at that one."""
        self.check(self.climb.tick(self.now), "time")
        self.check(self.climb.idle(self.now - gap), "idle")

    @rule()
    def tick(self) -> None:
        """After a tick nothing is left to do now."""
        self.check(self.climb.tick(self.now), "time")
        assert self.climb.tick(self.now) == []
        assert self.climb.next_at is None or self.climb.next_at > self.now

    @precondition(lambda self: self.climb.next_at is not None)
    @rule()
    def tick_on_time(self) -> None:
        """At the time that was announced there is something to do."""
        self.now = max(self.now, self.climb.next_at or 0)
        steps = self.climb.tick(self.now)
        assert steps
        self.check(steps, "time")

    @rule(rung=st.sampled_from(Rung))
    def request(self, rung: Rung) -> None:
        """Request a rung: it is refused, entered, or too late."""
        if rung is Rung.RUNNING or (rung is EXIT and not self.exits):
            before = facts(self.climb)
            with pytest.raises(UsageError):
                self.climb.request(rung, self.now + 50)
            assert facts(self.climb) == before
            return
        at = self.climb.rung
        steps = self.climb.request(rung, self.now)
        assert entered(steps) == ([rung] if rung > at else [])
        self.check(steps, "request")

    @rule(number=signals, entry=entries | st.just(EXIT))
    def signal(self, number: int, entry: Rung) -> None:
        """Send a signal: it climbs at most one time, and a duplicate changes nothing."""
        before = facts(self.climb)
        steps = self.climb.signal(number, entry, self.now)
        if self.now - self.counted.get(number, -math.inf) < DUPLICATE_SECONDS:
            assert steps == []
            assert facts(self.climb) == before
            return
        self.counted[number] = self.now
        self.exits = self.ladder.abandon < math.inf
        assert len(steps) <= 1
        self.check(steps, "signal")

    @rule()
    def idle(self) -> None:
        """Report idleness: a rung is left for CANCEL, from DRAIN only."""
        expected = [CANCEL] if self.climb.rung is DRAIN else []
        steps = self.climb.idle(self.now)
        assert entered(steps) == expected
        self.check(steps, "idle")

    @rule(ahead=eighths)
    def clip(self, ahead: float) -> None:
        """Set an outer deadline: it enters no rung by itself."""
        before = self.climb.rung, self.climb.entered_at
        self.climb.clip(self.now + ahead)
        self.deadline = min(self.deadline, self.now + ahead)
        assert (self.climb.rung, self.climb.entered_at) == before

    @invariant()
    def never_backwards(self) -> None:
        """Rungs are entered upwards only, and the last one is the present one."""
        rungs = entered(self.steps)
        assert all(lower < higher for lower, higher in pairwise([Rung.RUNNING, *rungs]))
        assert self.climb.rung == (rungs[-1] if rungs else Rung.RUNNING)

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
        if self.climb.deadline is None:
            return
        assert self.exits
        assert self.climb.deadline <= self.deadline
        self.deadline = self.climb.deadline

    @invariant()
    def next_is_before_the_end(self) -> None:
        """Time has its next step before the deadline, or at it."""
        if self.climb.next_at is not None and self.climb.deadline is not None:
            assert self.climb.next_at <= self.climb.deadline

    @invariant()
    def exit_only_where_it_applies(self) -> None:
        """EXIT is for stops by a signal, and under `run`."""
        assert self.climb.rung < EXIT or self.exits


TestAnyOrder = AnyOrder.TestCase
