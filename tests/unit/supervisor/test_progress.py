"""What a person is told of a stop: what it does now, and what the next Ctrl-C does."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import math
import re
import signal
from signal import Signals

import pytest

from supervisor import Ladder, Rung, StopRequest, Supervisor
from supervisor._reports.log import reporter
from supervisor._supervisor.facade import parts_of
from supervisor._supervisor.progress import limit, sentence, time_left
from tests.unit.supervisor.fakes import PATIENT, Stubborn

BY_SIGNAL = StopRequest(reason="Stopped by SIGINT", rung=Rung.CANCEL, signal=Signals.SIGINT)


@pytest.mark.parametrize(
    ("rung", "agents", "said"),
    [
        (Rung.DRAIN, ["ann"], "finishing the turn of 'ann' (2 s). Ctrl-C to cancel it."),
        (Rung.CANCEL, ["ann"], "cancelling 'ann' (2 s). Ctrl-C to abandon it."),
        (Rung.CANCEL, ["ann", "bob"], "cancelling 'ann' and 'bob' (2 s). Ctrl-C to abandon it."),
        (Rung.CANCEL, ["ann"] * 99, "cancelling 'ann' (99x) (2 s). Ctrl-C to abandon it."),
        (
            Rung.CANCEL,
            [*"abcd", "d"],
            "cancelling 'a', 'b' and 3 others (2 s). Ctrl-C to abandon it.",
        ),
        (Rung.CANCEL, [], "cancelling what is at work (2 s). Ctrl-C to abandon it."),
        (Rung.ABANDON, ["ann"], "abandoning 'ann' (2 s). Ctrl-C to end the process."),
    ],
)
def test_each_rung_tells_its_time_and_the_next_key(
    rung: Rung, agents: list[str], said: str
) -> None:
    """A rung names who is interrupted, its seconds, and what the next Ctrl-C does."""
    assert sentence(rung, BY_SIGNAL, agents, "2 s", has_ctrl_c=True) == f"SIGINT: {said}"


def test_a_stop_by_code_says_its_reason() -> None:
    """Where no signal has asked for the stop, the sentence begins with the reason."""
    request = StopRequest(reason="Stopped after 60 s", rung=Rung.CANCEL)
    said = sentence(Rung.CANCEL, request, ["ann"], "2 s", has_ctrl_c=False)
    assert said == "Stopped after 60 s: cancelling 'ann' (2 s)."


def test_times_are_bounded_or_said_to_be_endless() -> None:
    """A limit has its seconds, and what is left is never less than nothing."""
    assert [limit(2.5), limit(math.inf)] == ["up to 2.5 s", "no time limit"]
    assert [time_left(1.24), time_left(-1), time_left(None)] == [
        "1.2 s left",
        "0.0 s left",
        "no time limit",
    ]


@pytest.mark.parametrize("is_shown_elsewhere", [False, True])
async def test_a_status_line_takes_over_what_is_said_on_stderr(
    monkeypatch: pytest.MonkeyPatch, *, is_shown_elsewhere: bool
) -> None:
    """While another one shows the progress of a stop, with its countdown, stderr says nothing."""
    said: list[str] = []
    monkeypatch.setattr(type(reporter), "has_reader", True)
    monkeypatch.setattr(reporter, "say", said.append)
    team = Stubborn()
    async with Supervisor(signals={"SIGUSR1": "CANCEL"}, ladder=PATIENT) as sup:
        report = parts_of(sup).report
        report.is_shown_elsewhere = is_shown_elsewhere
        before = report.progress()
        run = asyncio.ensure_future(sup.stream(team))
        await team.is_working.wait()
        signal.raise_signal(signal.SIGUSR1)
        await sup.wait_stop()
        progress = report.progress()
        await asyncio.sleep(0.2)
        team.may_end.set()
        await run
    assert before is None
    assert progress is not None
    assert re.fullmatch(r"SIGUSR1: cancelling 'talker' \(\d+\.\d s left\)\.", progress)
    assert bool(said) is not is_shown_elsewhere


@pytest.mark.parametrize(
    ("exits", "seconds", "time"), [(None, math.inf, "no time limit"), (False, 60, "60.0 s left")]
)
async def test_the_last_rung_promises_no_end_where_there_is_none(
    exits: bool | None, seconds: float, time: str
) -> None:
    """Where the process is never ended, it is said at ABANDON that Ctrl-C does no more."""
    ladder = Ladder(abandon=seconds)
    async with Supervisor(signals={"SIGINT": "DRAIN"}, ladder=ladder, exits=exits) as sup:
        report = parts_of(sup).report
        sup.stop("enough", Rung.ABANDON)
        progress = report.progress()
    does_no_more = "Ctrl-C does no more: it never ends this process."
    assert progress == f"enough: abandoning what is at work ({time}). {does_no_more}"


async def test_one_further_ctrl_c_is_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it changes nothing, the outermost block says so, for those inside it too."""
    said: list[str] = []
    monkeypatch.setattr(reporter, "say", said.append)
    async with Supervisor(signals={}, exits=False) as outer, Supervisor(signals={}) as inner:
        outer.stop("enough", Rung.ABANDON)
        parts_of(inner).stop.on_repeated()
        assert said == []
        parts_of(outer).stop.on_repeated()
        assert said == [f"\n{parts_of(outer).report.progress()}"]
