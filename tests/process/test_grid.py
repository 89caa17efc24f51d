"""Every kind of work, on both loops, by both signals, at every moment, ends as promised.

A sample that covers all pairs by default, with a new seed each time (`GRID_SEED=…` repeats one);
the whole grid with `-m soak`.
"""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import termios
import time
from collections.abc import Generator

import pytest

from supervisor import Rung
from tests.process.harness import MARGIN, NEVER_SAID, Child, Server
from tests.process.pairs import Case, all_pairs, grid
from tests.process.scenarios import LADDER, MOMENTS, SCENARIOS
from tests.seeds import seed

pytestmark = [pytest.mark.process]

_SETTINGS = {
    "scenario": SCENARIOS,
    "loop": ("asyncio", "uvloop"),
    "signal": ("SIGINT", "SIGTERM"),
    "count": ("one", "three"),
    "moment": tuple(MOMENTS),
    "host": ("run", "block"),
}
_SEED = seed("GRID_SEED")
_SPACING = 0.35  # seconds between counted signals
_FORCED = 137


def _params(cases: list[Case]) -> list[object]:
    return [pytest.param(case, id="-".join(case.values())) for case in cases]


@pytest.mark.parametrize("case", _params(all_pairs(_SETTINGS, _SEED)))
def test_a_stop_ends_the_program_in_time_and_in_order(server: Server, case: Case) -> None:
    """In a sample of the grid: status, time, results, silence and restored state are right."""
    print(f"GRID_SEED={_SEED} repeats this sample")
    _check(server, case)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_busy_loop_hears_the_signal_and_the_time(server: Server, loop: str) -> None:
    """A loop that never rests, and so starves the watchdog's thread, stops in time all the same.

    DRAIN cannot end the turn here; were CANCEL late, ABANDON would cut the body off its result.
    """
    _check(
        server,
        {
            "scenario": "burst",
            "loop": loop,
            "signal": "SIGTERM",
            "count": "one",
            "moment": "middle",
            "host": "run",
        },
    )


@pytest.mark.soak
@pytest.mark.parametrize("case", _params(grid(_SETTINGS)))
def test_each_stop_ends_the_program_in_time_and_in_order(server: Server, case: Case) -> None:
    """Each case of the whole grid ends in time and in order."""
    _check(server, case)


def _check(server: Server, case: Case) -> None:
    with (
        _stdin(case["scenario"]) as stdin,
        server.start(
            case["host"],
            stdin=stdin,
            scenario=case["scenario"],
            moment=case["moment"],
            loop=case["loop"],
        ) as child,
    ):
        child.until(MOMENTS[case["moment"]])
        began = _send(child, case)
        status = child.wait()
        seconds = time.monotonic() - began
        _check_end(child, case, status, seconds)


@contextlib.contextmanager
def _stdin(scenario: str) -> Generator[int | None]:
    if scenario not in ("pipe", "pty"):
        yield None
        return
    ours, theirs = pty.openpty() if scenario == "pty" else reversed(os.pipe())
    try:
        found = termios.tcgetattr(theirs) if scenario == "pty" else None
        yield theirs
        assert found is None or termios.tcgetattr(theirs) == found, "the terminal was changed"
    finally:
        os.close(ours)
        os.close(theirs)


def _send(child: Child, case: Case) -> float:
    number = signal.Signals[case["signal"]]
    began = child.signal(number)
    for _ in range(0 if case["count"] == "one" else 2):
        # Behind the block a signal is none of the supervisor's business.
        if child.has_ended(_SPACING) or (case["host"] == "block" and child.facts("left")):
            break
        child.signal(number)
    return began


def _check_end(child: Child, case: Case, status: int, seconds: float) -> None:
    number = signal.Signals[case["signal"]]
    clean = -number if case["host"] == "run" else 128 + number
    story = f"{case}, {seconds:.2f} s\n{child.story()}"
    assert status in _statuses(case, clean), story
    assert seconds < _longest(case) + MARGIN, story
    if status != _FORCED:
        assert not [word for word in NEVER_SAID if word in child.stderr], story
        _check_facts(child, case, story)
    elif case["scenario"] == "keeps":
        assert "keep_the_loop" in child.stderr, story


def _statuses(case: Case, clean: int) -> set[int]:
    if case["scenario"] == "blocks" and case["count"] == "three":
        return {_FORCED, clean}  # interrupted between the second signal and the third
    if case["scenario"] in ("keeps", "refuses"):
        if case["moment"] == "middle":
            return {_FORCED}
        if case["moment"] == "start":  # it may have begun to refuse, or not
            return {_FORCED, clean}
    if case["scenario"] == "burst" and case["moment"] == "start":
        return {_FORCED, clean}  # AutoGen holds the loop while it takes the burst
    return {clean}


def _longest(case: Case) -> float:
    """Return the seconds that the ladder allows."""
    entry = Rung.CANCEL if case["signal"] == "SIGINT" else Rung.DRAIN
    is_held = case["scenario"] == "burst" and case["moment"] == "start"
    if is_held or case["scenario"] in ("blocks", "keeps", "refuses"):
        return LADDER.budget(entry)
    if case["scenario"] == "ignores":
        return LADDER.budget(entry) - LADDER.abandon
    return LADDER.budget(entry) - LADDER.budget(Rung.CANCEL)


def _check_facts(child: Child, case: Case, story: str) -> None:
    results = child.facts("result")
    if case["scenario"] == "blocks" and case["count"] == "three":
        return  # the second signal cancels the body too
    if case["moment"] == "cleanup":
        assert {result["reason"] for result in results} == {_natural(results)}, story
    elif case["moment"] != "start":
        assert len(results) == (5 if case["scenario"] == "five" else 1), story
        assert {r["reason"] for r in results} == {f"Stopped by {case['signal']}"}, story
    if case["host"] == "block":
        ends = child.facts("left") + child.facts("closed")
        assert [end["changed"] for end in ends] == [[], []], story


def _natural(results: list[dict[str, str]]) -> str:
    return next(r["reason"] for r in results if r["reason"].startswith("Maximum number of turns"))
