"""What comes into a stop, in any thread, and what it tells: a signal, a stop by code, the time."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import gc
import math
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from supervisor import Ladder, Rung, Supervisor
from supervisor._process.children import ChildProcesses
from supervisor._signals.guard_state import RESERVE_SECONDS
from supervisor._signals.registry import registry
from supervisor._supervisor.escalation import deadline_clock
from supervisor._supervisor.facade import parts_of
from tests.unit.supervisor.fakes import (
    LONG,
    PATIENT,
    LeapingLoop,
    Talker,
    VirtualProcess,
    in_virtual_time,
    wait_for,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no selector loop by default")

SIGNALS: Mapping[signal.Signals | int | str, Rung | str] = {"SIGTERM": "DRAIN", "SIGINT": "CANCEL"}

REASON = "Stopped by SIGINT"


# -- a signal, in its handler ---------------------------------------------------------------------


def test_a_handler_requests_the_stop_at_once(process: VirtualProcess) -> None:
    """The request is there before the loop has read the signal; a later signal changes nothing."""
    polls: list[str] = []

    async def main() -> None:
        async with Supervisor(signals=SIGNALS) as sup:
            escalation = parts_of(sup).escalation
            escalation.notify(signal.SIGTERM, lambda: polls.append("SIGTERM"))
            request = sup.stop_request
            escalation.notify(signal.SIGINT, lambda: polls.append("SIGINT"))
            process.signal(signal.SIGINT)
            assert sup.stop_request is request
            assert polls == []
            await asyncio.sleep(LONG)
        assert request is not None
        assert (request.reason, request.cause) == ("Stopped by SIGTERM", "SIGTERM")
        assert (request.signal, request.rung) == (signal.SIGTERM, Rung.DRAIN)

    in_virtual_time(main)
    assert polls == ["SIGTERM", "SIGINT"]


def test_a_handler_interrupts_at_once(process: VirtualProcess) -> None:
    """Where SIGINT ends the runs only, they yield nothing from its handler on; nothing stops."""
    yields_no_more: list[bool] = []

    async def main() -> None:
        async with Supervisor(interactive=True) as sup:
            for number in (signal.SIGUSR1, signal.SIGINT):
                parts_of(sup).escalation.notify(number, lambda: None)
                yields_no_more.append(parts_of(sup).scope.yields_no_more)
            assert sup.stop_request is None

    in_virtual_time(main)
    assert yields_no_more == [False, True]


@pytest.mark.parametrize(
    ("loop", "dropped"), [("none", []), ("open", []), ("closed", [signal.SIGTERM])]
)
def test_a_signal_for_a_closed_loop_is_reported(loop: str, dropped: list[int]) -> None:
    """A loop that is closed can take no step; one that is still to be made can."""
    parts, found = parts_of(Supervisor(signals=SIGNALS)), list[int]()
    parts.escalation.on_dropped = found.append
    made = asyncio.new_event_loop()
    if loop != "none":
        parts.scope.home.loop = made
    if loop == "closed":
        made.close()
    parts.escalation.notify(signal.SIGTERM, lambda: None)
    made.close()
    assert found == dropped


# -- a block that is kept open over the inputs of a prompt ----------------------------------------


@pytest.fixture
def _at_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor._supervisor.notebook_block.is_interactive", lambda: True)


@pytest.mark.usefixtures("_at_a_prompt")
@pytest.mark.parametrize("way", ["handler first", "watchdog first"])
def test_ctrl_c_ends_only_the_runs_of_a_block_that_is_kept_open(
    process: VirtualProcess, way: str
) -> None:
    """Its body has ended, so there is nothing to which a stop could return; SIGTERM stops."""
    has_ctrl_c: list[bool] = []

    async def main() -> None:
        sup, team = Supervisor(signals=SIGNALS, ladder=PATIENT), Talker()
        await asyncio.create_task(sup.__aenter__())
        has_ctrl_c.append(parts_of(sup).escalation.is_running)
        run = asyncio.create_task(wait_for(sup, team))
        await team.is_working.wait()
        has_ctrl_c.append(parts_of(sup).escalation.is_running)
        if way == "handler first":
            parts_of(sup).escalation.notify(signal.SIGINT, lambda: None)
            assert sup.stop_request is None
        process.signal(signal.SIGINT)
        assert await run == REASON
        assert (sup.rung, sup.stop_request) == (Rung.RUNNING, None)
        process.signal(signal.SIGTERM)
        assert sup.stop_request is not None
        await sup.__aexit__(None, None, None)

    in_virtual_time(main)
    assert has_ctrl_c == [False, True], "without a run, Ctrl-C is for the prompt"


def test_ctrl_c_at_a_prompt_is_for_a_supervisor_whose_loop_runs(process: VirtualProcess) -> None:
    """Between two inputs the loop stands still, and the prompt has Ctrl-C."""
    escalation = parts_of(sup := Supervisor(signals={})).escalation
    seen = [escalation.is_running]

    async def main() -> None:
        await sup.__aenter__()
        seen.append(escalation.is_running)

    in_virtual_time(main)
    assert [*seen, escalation.is_running] == [True, True, False]


# -- who obeys whom, and what is told -------------------------------------------------------------


def test_one_inside_has_the_deadline_of_the_one_around_it(process: VirtualProcess) -> None:
    """At once, in the thread that reads the signal: the loop may be stuck."""

    async def main() -> None:
        patient = Supervisor(signals=SIGNALS, ladder=PATIENT)
        async with Supervisor(signals=SIGNALS) as outer, patient as inner:
            process.signal(signal.SIGTERM)
            assert parts_of(outer).stop.deadline == 8
            assert parts_of(inner).stop.deadline == 8
            await asyncio.sleep(LONG)

    in_virtual_time(main)


def test_the_readiness_ends_as_the_stop_begins(process: VirtualProcess, tmp_path: Path) -> None:
    """In the thread in which the stop was requested, before the loop takes a step."""
    ready = tmp_path / "ready"

    async def main() -> None:
        async with Supervisor(signals={}, ready_file=ready) as sup:
            assert ready.exists()
            sup.stop("enough")
            assert not ready.exists()

    in_virtual_time(main)


@pytest.mark.parametrize("is_early", [True, False])
def test_the_work_of_guests_is_noted_as_the_stop_begins(
    process: VirtualProcess, is_early: bool
) -> None:
    """A guest that was at work then has a result to hand over; later work is none of the stop's."""

    async def main() -> None:
        parts, guest = parts_of(Supervisor(signals={})), parts_of(Supervisor(signals={})).scope
        parts.scope.nesting.guests.enter(guest)
        if is_early:
            guest.spawned.start(asyncio.sleep(1), None)
        parts.escalation.request_stop("enough", Rung.CANCEL)
        work = guest.spawned.start(asyncio.sleep(1), None)
        parts.escalation.request_stop("enough", Rung.ABANDON)
        assert parts.scope.nesting.guests.had_work is is_early
        await work

    in_virtual_time(main)


class _Children(ChildProcesses):
    """Processes that are only asked for."""

    def __init__(self) -> None:
        super().__init__(())
        self.asked: list[str] = []

    def scan(self) -> list[object]:  # type: ignore[override]
        """Note it."""
        self.asked.append("scan")
        return []

    def end_in_background(self, seconds: float, on_over: object) -> None:
        """Note it."""
        self.asked.append(f"end in {seconds:g} s")


def test_children_are_noted_before_cancel_and_ended_from_abandon_on(
    process: VirtualProcess,
) -> None:
    """In the thread in which the rung is reached, for the loop may be stuck."""

    async def main() -> None:
        parts = parts_of(Supervisor(signals={}, exits=True, ladder=Ladder(cancel=2, abandon=4)))
        parts.cleanup.children = children = _Children()
        parts.escalation.request_stop("enough", Rung.CANCEL)
        assert children.asked == ["scan"]
        parts.escalation.on_time(1)
        assert children.asked == ["scan", "scan"], "cancelled again, one may have started more"
        parts.escalation.on_time(2)
        assert children.asked == ["scan", "scan", "end in 6 s"]

    in_virtual_time(main)


async def test_the_pause_of_the_collector_ends_by_the_time() -> None:
    """A stop of very many runs that takes long does not keep the collector off."""
    parts, now = parts_of(Supervisor(signals={})), registry.clock.now()
    parts.scope.gc_pause.begin(1000, now)
    try:
        assert not gc.isenabled()
        look_at = parts.escalation.on_time(now)
        assert look_at == parts.scope.gc_pause.until
        assert look_at is not None
        assert parts.escalation.on_time(look_at) is None
        assert gc.isenabled()
    finally:
        parts.scope.gc_pause.end()


# -- the loop catches up with a signal ------------------------------------------------------------


def test_a_loop_catches_up_with_an_interrupt(process: VirtualProcess) -> None:
    """The loop that has read a SIGINT ends the runs before it goes on."""
    counts: list[int] = []

    async def main() -> None:
        async with Supervisor(interactive=True) as sup:
            sup.on_interrupt(counts.append)
            process.signal(signal.SIGINT)
            assert counts == []
            parts_of(sup).escalation.catch_up()
            assert counts == [0]

    in_virtual_time(main)


def test_another_loop_of_the_thread_takes_no_step(
    process: VirtualProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It only has no turn begin: the steps, and interrupts, are for the loop of the block."""
    held: list[str] = []

    async def main() -> None:
        parts = parts_of(Supervisor(interactive=True, exits=False))
        monkeypatch.setattr(parts.scope, "hold_back", lambda: held.append("held"))
        own = LeapingLoop()
        parts.escalation.open(own)
        parts.escalation.request_stop("enough", Rung.CANCEL)
        parts.scope.interrupts.request = request = parts.stop.request
        parts.escalation.catch_up()
        assert held == ["held"]
        assert parts.scope.announcement.request is None
        assert parts.scope.interrupts.request is request
        own.close()

    in_virtual_time(main)


# -- what the guard is told, and the parent of a split PID 1 --------------------------------------


def test_the_guard_is_told_how_far_the_stop_is(process: VirtualProcess) -> None:
    """It gets the rung, the deadline, the seconds of each rung, and the signals with their times.

    Once the process is being ended, its last report may take longer than the deadline.
    """

    async def main() -> None:
        async with Supervisor(signals=SIGNALS, guard=True) as sup:
            parts = parts_of(sup)
            state = parts.escalation.guard_state
            assert state is not None
            assert (state.rung, state.deadline) == (Rung.RUNNING, math.inf)
            assert state.budgets == [parts.stop.ladder.budget(rung) for rung in Rung]
            assert state.entries == {signal.SIGTERM: Rung.DRAIN, signal.SIGINT: Rung.CANCEL}
            assert dict(state.counted) == {}
            process.signal(signal.SIGTERM)
            state = parts.escalation.guard_state
            assert state is not None
            assert (state.rung, state.deadline) == (Rung.DRAIN, 8)
            assert dict(state.counted) == {signal.SIGTERM: 0}
            for exiting_at, deadline in ((7.0, 8.0), (9.0, 9.0)):
                parts.end.exiting_at = exiting_at
                state = parts.escalation.guard_state
                assert state is not None
                assert state.deadline == deadline
            await asyncio.sleep(LONG)

    in_virtual_time(main)


def test_the_guard_is_told_of_no_end_where_there_is_none(process: VirtualProcess) -> None:
    """With `abandon=inf` no signal has a deadline, however often it comes."""

    async def main() -> None:
        ladder = Ladder(abandon=math.inf)
        async with Supervisor(signals=SIGNALS, guard=True, ladder=ladder) as sup:
            parts_of(sup).end.exiting_at = 9
            state = parts_of(sup).escalation.guard_state
            assert state is not None
            assert state.deadline == math.inf
            assert state.budgets == [math.inf] * len(Rung)

    in_virtual_time(main)


def test_the_guard_is_told_by_the_outermost_that_wants_it(process: VirtualProcess) -> None:
    """One inside may end no process, and one that wants no guard has nothing to tell it."""

    async def main() -> None:
        async with Supervisor(signals={}) as outer, Supervisor(guard=True) as inner:
            assert parts_of(outer).escalation.guard_state is None
            assert parts_of(inner).escalation.guard_state is None

    in_virtual_time(main)


Arrivals = list[tuple[int, float]]


@pytest.mark.parametrize(
    ("arrivals", "deadlines"),
    [
        ([(signal.SIGUSR1, 0)], [None]),
        ([(signal.SIGTERM, 0)], [8]),
        ([(signal.SIGTERM, 0), (signal.SIGTERM, 0.1)], [8, 8]),
        ([(signal.SIGTERM, 0), (signal.SIGUSR1, 1), (signal.SIGTERM, 2)], [8, None, 5]),
        ([(signal.SIGTERM, 0), (signal.SIGTERM, 6)], [8, 7]),  # CANCEL had come by time
    ],
)
def test_the_deadline_of_another_process_that_hears_the_same_signals(
    arrivals: Arrivals, deadlines: list[float | None]
) -> None:
    """Its parent knows when it has to be gone, with the seconds of its last report."""
    deadline: Callable[[int, float], float | None]
    deadline = deadline_clock(parts_of(Supervisor(signals=SIGNALS)).settings)
    expected = [None if at is None else at + RESERVE_SECONDS for at in deadlines]
    assert [deadline(number, at) for number, at in arrivals] == expected


def test_another_process_that_is_never_ended_has_no_deadline() -> None:
    """With `abandon=inf` the parent of a split PID 1 waits for as long as it takes."""
    sup = Supervisor(signals=SIGNALS, ladder=Ladder(abandon=math.inf))
    assert deadline_clock(parts_of(sup).settings)(signal.SIGTERM, 0) == math.inf
