"""The table of the ladder, cell by cell, and what a state shows of itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from signal import SIGINT

import pytest

from supervisor._core.errors import UsageError
from supervisor._core.events import Rung
from supervisor._core.ladder import TABLE, LadderState, Move, Step
from supervisor._core.settings import Ladder
from tests.unit.core.ladders import (
    CANCEL,
    DRAIN,
    EXIT,
    visible,
)

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
NEVER = """
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
    """Each cell of a grid as (rung, event, the rung that it names, outcome)."""
    head, *rows = grid.strip("\n").splitlines()
    for row in rows:
        event, named, *outcomes = row.split()
        for rung, outcome in zip(head.split(), outcomes, strict=True):
            yield rung, event, named, outcome


def apply(state: LadderState, event: str, named: str) -> list[Step]:
    """Feed the state one event: time's when it is due, others at 0.25 s."""
    apply_at: dict[str, Callable[[], list[Step]]] = {
        "request": lambda: state.request(Rung[named], 0.25),
        "signal": lambda: state.signal(SIGINT, Rung[named], 0.25),
        "idle": lambda: state.idle(0.25),
        "time": lambda: state.tick(0.25 if state.next_at is None else state.next_at),
    }
    return apply_at[event]()


def outcome_of(state: LadderState, event: str, named: str) -> str:
    """Return what an event does, in the words of the grids; check that no step leaves the rung."""
    before = visible(state)
    try:
        steps = apply(state, event, named)
    except UsageError:
        assert visible(state) == before
        return "!"
    if not steps:
        assert state.rung == before[0]
        return "-"
    (step,) = steps
    assert step.rung is state.rung
    assert step.trigger == event
    return step.rung.name if step.move is Move.ENTER else step.move.name


@pytest.mark.parametrize(
    ("grid", "ladder", "exits"),
    [
        pytest.param(UNDER_RUN, Ladder(), True, id="under run"),
        pytest.param(AS_GUEST, Ladder(), None, id="as guest"),
        pytest.param(NEVER, Ladder(), False, id="never"),
        pytest.param(WITHOUT_EXIT, Ladder(abandon=math.inf), True, id="without EXIT"),
    ],
)
def test_table(grid: str, ladder: Ladder, exits: bool | None) -> None:
    """On each rung each event does what the grid says, and an illegal one changes nothing."""
    for rung, event, named, outcome in cells(grid):
        state = LadderState(ladder, exits=exits)
        if rung != "RUNNING":
            state.request(Rung[rung], 0)
        assert outcome_of(state, event, named) == outcome, f"{event} {named} on {rung}"


def test_each_cell_leads_to_the_next_rung() -> None:
    """Each cell of the table leads to the next rung, so that no rung is left out."""
    for rung, causes in TABLE.items():
        assert set(causes.values()) <= {rung + 1}
    assert set(TABLE) == set(Rung)


# --- what a state shows ---------------------------------------------------------------------------


def test_without_a_stop() -> None:
    """A state without a stop has no deadline, and nothing for time to do."""
    state = LadderState(Ladder(), exits=True)

    assert visible(state) == (Rung.RUNNING, -math.inf, None, None)
    assert repr(state) == "<LadderState RUNNING>"


def test_repr() -> None:
    """The repr shows the rung, its age at the last event, and the time that is left."""
    state = LadderState(Ladder())
    state.request(DRAIN, 100)
    state.tick(101.5)
    assert repr(state) == "<LadderState DRAIN for 1.5 s, no EXIT>"

    state.signal(SIGINT, CANCEL, 102)
    state.tick(102.25)
    assert repr(state) == "<LadderState CANCEL for 0.25 s, EXIT in 2.75 s>"


def test_a_rung_tells_when_its_time_is_over() -> None:
    """A rung ends after its seconds, or where the later rungs begin; EXIT and RUNNING never do."""
    state = LadderState(Ladder(drain=5, cancel=2, abandon=1), exits=True)
    ends = [state.rung_ends_at]
    state.request(DRAIN, 100)
    ends.append(state.rung_ends_at)
    state.request(CANCEL, 101)
    ends.append(state.rung_ends_at)
    state.request(EXIT, 101)
    assert [*ends, state.rung_ends_at] == [None, 105, 103, None]


def test_a_rung_without_limit_has_no_end() -> None:
    """Where ABANDON lasts for ever, its time is never over."""
    state = LadderState(Ladder(abandon=math.inf))
    state.request(Rung.ABANDON, 100)
    assert state.rung_ends_at is None


@pytest.mark.parametrize(("rung", "instead"), [(Rung.RUNNING, "DRAIN"), (EXIT, "ABANDON")])
def test_illegal_request_says_what_to_do(rung: Rung, instead: str) -> None:
    """A rung that cannot be requested is refused with one that can."""
    with pytest.raises(UsageError, match=f"; request {instead}"):
        LadderState(Ladder()).request(rung, 0)
