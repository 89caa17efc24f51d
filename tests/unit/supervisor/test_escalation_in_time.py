"""A stop in its loop, on a clock that leaps: a loop that is late, timers, and what blocks it."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import logging
import math
import sys

import pytest

from supervisor import Ladder, Rung, Supervisor
from supervisor._core.ladder import Step
from supervisor._reports.log import reporter
from supervisor._supervisor.escalation import Escalation
from supervisor._supervisor.facade import parts_of
from supervisor._supervisor.steps import StepRunner
from tests.unit.supervisor.fakes import LONG, VirtualProcess, in_virtual_time

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no selector loop by default")

LADDER = Ladder(drain=5, cancel=2, abandon=4)

Taken = list[tuple[float, str]]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    """Return the steps that the loop has taken, and when."""
    found: Taken = []
    carry_out = StepRunner.carry_out

    def note(self: StepRunner, step: Step) -> None:
        now = round(asyncio.get_running_loop().time(), 2)
        found.append((now, step.rung.name if step.move.value == "enter" else step.move.name))
        carry_out(self, step)

    monkeypatch.setattr(StepRunner, "carry_out", note)
    return found


def escalation_in(process: VirtualProcess, ladder: Ladder = LADDER) -> Escalation:
    """Return the stop of a supervisor without a block, so that nothing ends it early."""
    escalation = parts_of(Supervisor(signals={}, ladder=ladder)).escalation
    process.add(escalation)
    escalation.open(asyncio.get_running_loop())
    return escalation


@pytest.mark.parametrize(
    ("ladder", "blocked", "steps"),
    [
        (LADDER, 0.5, [(0.5, "CANCEL"), (1, "AGAIN"), (2, "ABANDON"), (6, "SPENT")]),
        (LADDER, 1.2, [(1.2, "CANCEL"), (1.2, "AGAIN"), (2, "ABANDON"), (6, "SPENT")]),
        (LADDER, 3, [(3, "CANCEL"), (3, "AGAIN"), (5, "ABANDON"), (6, "SPENT")]),
        (LADDER, 7, [(7, "CANCEL"), (7, "AGAIN"), (9, "ABANDON"), (9, "SPENT")]),
        (Ladder(cancel=0, abandon=4), 1, [(1, "CANCEL"), (3, "ABANDON"), (4, "SPENT")]),
        (
            Ladder(cancel=2, abandon=math.inf),
            3,
            [(3, "CANCEL"), (3, "AGAIN"), (3, "ABANDON")],
        ),
    ],
)
def test_what_a_blocked_loop_cancels_late_has_half_of_abandon(
    process: VirtualProcess, taken: Taken, ladder: Ladder, blocked: float, steps: Taken
) -> None:
    """Where both rungs are due as the loop comes free, what is cancelled may end in order."""

    async def main() -> None:
        escalation = escalation_in(process, ladder)
        escalation.request_stop("enough", Rung.CANCEL)
        process.block(blocked)
        await asyncio.sleep(20)

    in_virtual_time(main)
    assert taken == steps


def test_only_a_loop_that_abandon_waits_for_is_interrupted(process: VirtualProcess) -> None:
    """What blocks the loop is interrupted from ABANDON on, every 0.1 s, until the loop is free."""

    async def main() -> None:
        escalation = escalation_in(process)
        await asyncio.sleep(0)
        process.block(1)
        escalation.request_stop("enough", Rung.CANCEL)
        process.block(2.35)
        await asyncio.sleep(20)

    in_virtual_time(main)
    assert [round(at, 2) for at in process.interrupts] == [3.1, 3.2, 3.3]


def test_what_was_interrupted_is_reported_by_the_loop(
    process: VirtualProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As the loop is free again, the log names the code that has blocked it."""
    caplog.set_level(logging.INFO, "supervisor")
    where = ["think (team.py:3)"]
    take = "supervisor._supervisor.stuck_loop.take_interrupted"
    monkeypatch.setattr(take, lambda: [where.pop()] if where else [])

    async def main() -> None:
        escalation_in(process).request_stop("enough", Rung.ABANDON)
        process.block(0.2)
        await asyncio.sleep(1)

    in_virtual_time(main)
    assert reporter.flush(5)
    assert [it.__dict__["where"] for it in caplog.records if "where" in it.__dict__] == [
        "think (team.py:3)"
    ]


def test_the_loop_climbs_where_the_watchdog_does_not_come_to_it(
    process: VirtualProcess, taken: Taken
) -> None:
    """The loop has a timer of its own for what comes next."""
    process.has_watchdog = False

    async def main() -> None:
        escalation = escalation_in(process)
        await asyncio.sleep(1)
        escalation.request_stop("enough", Rung.CANCEL)
        await asyncio.sleep(20)

    in_virtual_time(main)
    assert taken == [(1, "CANCEL"), (2, "AGAIN"), (3, "ABANDON"), (7, "SPENT")]
    assert sorted({round(at, 2) for at in process.looks}) == [0, 1, 2, 3, 7]


def test_the_timer_of_a_rung_that_was_left_is_cancelled(
    process: VirtualProcess, taken: Taken
) -> None:
    """The loop looks at no time in vain."""

    async def main() -> None:
        escalation = escalation_in(process)
        await asyncio.sleep(1)
        escalation.request_stop("enough", Rung.CANCEL)
        await asyncio.sleep(0.5)
        escalation.request_stop("enough", Rung.ABANDON)
        await asyncio.sleep(20)

    in_virtual_time(main)
    assert taken == [(1, "CANCEL"), (1.5, "ABANDON"), (5.5, "SPENT")]
    assert sorted({round(at, 2) for at in process.looks}) == [0, 1, 1.5, 5.5]


@pytest.mark.parametrize(("blocked", "looks"), [(0, [0, 1]), (3, [0, 4, 6])])
def test_behind_its_block_a_stop_looks_at_the_time_no_more(
    process: VirtualProcess, blocked: float, looks: list[float]
) -> None:
    """No timer of it is left in a loop that goes on; what was put off is looked at once."""
    left: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def stop_and_block() -> None:
            sup.stop("enough")
            process.block(blocked)  # until ABANDON, which waits for what is cancelled so late

        async with Supervisor(signals={}, ladder=LADDER) as sup:
            loop.call_later(1, stop_and_block)
            await asyncio.sleep(LONG)
        left.append(loop.time())
        await asyncio.sleep(20)

    in_virtual_time(main)
    assert [round(at, 2) for at in left] == [1 + blocked]
    assert sorted({round(at, 2) for at in process.looks}) == looks


def test_a_body_that_stops_its_own_block_goes_on_until_abandon(process: VirtualProcess) -> None:
    """It knows of the stop, and ends what it does; one that does not know is cancelled."""
    ended: list[float] = []

    async def body(sup: Supervisor) -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            ended.append(asyncio.get_running_loop().time())

    async def main() -> None:
        async with Supervisor(signals={}, ladder=LADDER) as sup:
            sup.stop("enough")
            await body(sup)
        async with Supervisor(signals={}, ladder=LADDER) as sup:
            asyncio.get_running_loop().call_later(1, sup.stop, "enough")
            await body(sup)

    in_virtual_time(main)
    assert ended == [2, 3]


def test_threads_switch_often_from_a_stop_to_the_end_of_its_block(process: VirtualProcess) -> None:
    """Python that computes keeps the watchdog waiting for less; behind the block all is as found.

    A stop that came before the block changes nothing until the block is entered.
    """
    found = sys.getswitchinterval()
    seen: list[float] = []

    async def main() -> None:
        early = Supervisor(signals={})
        early.stop("early")
        seen.append(sys.getswitchinterval())
        async with early:
            seen.append(sys.getswitchinterval())
            await asyncio.sleep(LONG)
        async with Supervisor(signals={}) as sup:
            seen.append(sys.getswitchinterval())
            sup.stop("enough")
            seen.append(sys.getswitchinterval())
        seen.append(sys.getswitchinterval())

    in_virtual_time(main)
    often = pytest.approx(0.0005)
    assert seen == [found, often, found, often, found]
