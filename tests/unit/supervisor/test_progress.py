"""What a climb says to the person at the terminal."""

from __future__ import annotations

import math
from signal import Signals

import pytest

from supervisor import Ladder, Rung, StopRequest
from supervisor._core.ladder import Move, Step
from supervisor._supervisor.progress import sentence


def said(rung: Rung, ladder: Ladder) -> str | None:
    """Return what is said as ann is interrupted by Ctrl-C."""
    request = StopRequest(reason="Stopped by SIGINT", rung=Rung.CANCEL, signal=Signals.SIGINT)
    step = Step(Move.ENTER, rung, 0.0, "signal")
    return sentence(step, request, ["ann"], ladder, has_ctrl_c=True)


@pytest.mark.parametrize(
    ("rung", "line"),
    [
        (Rung.CANCEL, "SIGINT: cancelling 'ann' (up to 2 s). Ctrl-C to abandon it."),
        (Rung.ABANDON, "SIGINT: abandoning 'ann' (up to 1 s). Ctrl-C to end the process."),
    ],
)
def test_a_climb_tells_its_seconds_and_the_next_key(rung: Rung, line: str) -> None:
    """Each rung has its seconds, and the word for what the next Ctrl-C does."""
    assert said(rung, Ladder()) == f"\n{line}"


def test_a_rung_without_end_promises_no_end() -> None:
    """Where the ladder ends at ABANDON, Ctrl-C does not end the process, and nobody says so."""
    ladder = Ladder(drain=math.inf, abandon=math.inf)
    assert said(Rung.DRAIN, ladder) == (
        "\nSIGINT: finishing the turn of 'ann' (no time limit). Ctrl-C to cancel it."
    )
    assert said(Rung.ABANDON, ladder) == "\nSIGINT: abandoning 'ann' (no time limit)."
