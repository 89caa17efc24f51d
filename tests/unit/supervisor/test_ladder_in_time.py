"""The seconds of the ladder as a supervisor drives it, on a clock that leaps.

Nothing is waited for: the loop's time and the ladder's are one virtual clock, which goes on where
everything waits. In place of the watchdog a timer of that loop tells the supervisor the time.
"""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import logging
import math
import signal
import sys
from collections.abc import Callable, Mapping

import pytest

from supervisor import Ladder, Rung, Supervisor
from supervisor._core.errors import Quarantined
from supervisor._reports.log import reporter
from tests.unit.supervisor.fakes import (
    LONG,
    Stubborn,
    Talker,
    VirtualProcess,
    in_virtual_time,
    over,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no selector loop by default")

SIGNALS: Mapping[signal.Signals | int | str, Rung | str] = {"SIGTERM": "DRAIN", "SIGINT": "CANCEL"}


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """When the process would have been ended, with which status."""
    found: list[tuple[float, int]] = []

    def exit_now(status: int, *_: Callable[[], None]) -> None:
        found.append((asyncio.get_running_loop().time(), status))

    monkeypatch.setattr("supervisor._supervisor.process_end.exit_now", exit_now)
    return found


Climbs = list[tuple[float, str]]


def climbs(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return what was logged at each rung: the event and its trigger."""
    assert reporter.flush(5)
    entered = [record for record in caplog.records if record.message.startswith("entered")]
    return [(record.message, record.__dict__["trigger"]) for record in entered]


class Watched(Stubborn):
    """Swallows cancellations, and notes when each came."""

    def __init__(self) -> None:
        super().__init__("mule")
        self.struck: list[float] = []

    async def work(self) -> None:
        """Wait, whoever cancels it."""
        while not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                self.struck.append(asyncio.get_running_loop().time())


async def rungs_in_time(sup: Supervisor, seconds: float) -> Climbs:
    """Return the rungs that are reached from now on, and when (to 1/100 s)."""
    loop = asyncio.get_running_loop()
    begin, found = loop.time(), [(0.0, sup.rung.name)]
    while loop.time() - begin < seconds:
        if sup.rung.name != found[-1][1]:
            found.append((round(loop.time() - begin, 2), sup.rung.name))
        await asyncio.sleep(0.01)
    return found


def test_each_rung_has_its_seconds(
    process: VirtualProcess, ends: list[tuple[float, int]], caplog: pytest.LogCaptureFixture
) -> None:
    """SIGTERM: DRAIN for 5 s, CANCEL for 2 s, ABANDON for 1 s, then the process is ended."""
    caplog.set_level(logging.INFO, "supervisor")
    team = Watched()
    said: Climbs = []

    async def main() -> None:
        async with Supervisor(signals=SIGNALS) as sup:
            run = asyncio.ensure_future(_await(sup, team))
            await team.is_working.wait()
            watch = asyncio.create_task(rungs_in_time(sup, 9))
            process.signal(signal.SIGTERM)
            said.extend(await _uncancelled(watch))
            team.may_end.set()
            await asyncio.wait([run])

    in_virtual_time(main)
    assert [(round(at), rung) for at, rung in said] == [
        (0, "DRAIN"),
        (5, "CANCEL"),
        (7, "ABANDON"),
        (8, "EXIT"),
    ]
    assert [(round(at, 6), status) for at, status in ends] == [(8.0, 137)]
    assert climbs(caplog) == [
        ("entered DRAIN", "signal"),
        ("entered CANCEL", "time"),
        ("entered ABANDON", "time"),
    ]


async def _await(sup: Supervisor, team: Talker) -> None:
    try:
        await sup.stream(team)
    except Quarantined:
        return


async def _uncancelled(task: asyncio.Task[Climbs]) -> Climbs:
    """Wait for a task, whatever the ladder does to the body."""
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
    return task.result()


def test_the_second_strike_comes_at_half_time(
    process: VirtualProcess, ends: list[tuple[float, int]]
) -> None:
    """What ignores its cancellation is cancelled once more at half of CANCEL, and at ABANDON."""
    team = Watched()

    async def main() -> None:
        async with Supervisor(signals=SIGNALS) as sup:
            run = asyncio.ensure_future(_await(sup, team))
            await team.is_working.wait()
            watch = asyncio.create_task(rungs_in_time(sup, 2.5))
            process.signal(signal.SIGINT)
            await _uncancelled(watch)
            team.may_end.set()
            await asyncio.wait([run])

    in_virtual_time(main)
    assert [round(at, 6) for at in team.struck[:3]] == [0.0, 1.0, 2.0]
    assert len(team.struck) > 3, "abandoned, it is cancelled again and again"
    assert ends == []


def test_a_run_that_ends_leaves_the_rung_at_once(process: VirtualProcess) -> None:
    """In DRAIN the stop takes as long as the run does, and no longer."""
    team = Talker()
    left: list[float] = []

    async def main() -> None:
        async with Supervisor(signals=SIGNALS) as sup:
            loop = asyncio.get_running_loop()
            loop.call_later(1, process.signal, signal.SIGTERM)
            loop.call_later(3, team.may_end.set)
            assert (await sup.stream(team)).stop_reason == "let go"
            assert sup.rung is Rung.DRAIN
        left.append(loop.time())

    in_virtual_time(main)
    assert [round(at, 3) for at in left] == [3.0]


def test_an_idle_supervisor_stops_in_no_time(process: VirtualProcess) -> None:
    """With nothing at work SIGTERM costs no second of any rung."""
    left: list[float] = []

    async def main() -> None:
        async with Supervisor(signals=SIGNALS) as sup:
            asyncio.get_running_loop().call_later(1, process.signal, signal.SIGTERM)
            await asyncio.sleep(LONG)
        assert sup.rung is Rung.CANCEL
        left.append(asyncio.get_running_loop().time())

    in_virtual_time(main)
    assert [round(at, 3) for at in left] == [1.0]


@pytest.mark.parametrize(
    ("gap", "rung"), [(0.2, Rung.CANCEL), (0.4, Rung.ABANDON)], ids=["duplicate", "second"]
)
def test_a_second_signal_climbs_unless_it_is_a_duplicate(
    process: VirtualProcess, gap: float, rung: Rung
) -> None:
    """Within 0.3 s the same signal counts once; later it climbs by one rung."""
    team = Watched()

    async def main() -> None:
        async with Supervisor(signals=SIGNALS) as sup:
            run = asyncio.ensure_future(_await(sup, team))
            await team.is_working.wait()
            process.signal(signal.SIGINT)
            await asyncio.sleep(gap)
            process.signal(signal.SIGINT)
            assert sup.rung is rung
            team.may_end.set()
            await asyncio.wait([run])

    in_virtual_time(main)


def test_a_body_at_work_has_until_abandon(process: VirtualProcess) -> None:
    """After its result the body may take all of DRAIN and CANCEL, and is cancelled then."""
    team = Talker()
    ended: list[float] = []

    async def main() -> None:
        async with Supervisor(signals=SIGNALS) as sup:
            loop = asyncio.get_running_loop()
            loop.call_later(1, process.signal, signal.SIGTERM)
            loop.call_later(2, team.may_end.set)
            await sup.stream(team)
            try:
                await asyncio.sleep(LONG)
            finally:
                ended.append(loop.time())

    in_virtual_time(main)
    assert [round(at, 3) for at in ended] == [8.0]


def test_a_guests_ladder_ends_with_a_quarantine(
    process: VirtualProcess, ends: list[tuple[float, int]]
) -> None:
    """By code: CANCEL 2 s, ABANDON 1 s, then the run gives up its team and no process ends."""
    team = Watched()
    gave_up: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with Supervisor(signals=SIGNALS) as sup:
            run = asyncio.ensure_future(_await(sup, team))
            await team.is_working.wait()
            run.add_done_callback(lambda _: gave_up.append(loop.time()))
            sup.stop("client left")
            await run
        team.may_end.set()
        await over(team)

    in_virtual_time(main)
    assert [round(at, 3) for at in gave_up] == [3.0]
    assert ends == []


def test_without_an_end_it_waits(process: VirtualProcess, ends: list[tuple[float, int]]) -> None:
    """With `abandon=inf` a signal ends no process, however long something refuses."""
    team = Watched()

    async def main() -> None:
        async with Supervisor(signals=SIGNALS, ladder=Ladder(abandon=math.inf)) as sup:
            run = asyncio.ensure_future(_await(sup, team))
            await team.is_working.wait()
            process.signal(signal.SIGINT)
            asyncio.get_running_loop().call_later(60, team.may_end.set)
            await asyncio.wait([run])
            assert sup.rung is Rung.ABANDON

    in_virtual_time(main)
    assert ends == []


def test_a_run_stopped_alone_has_a_ladder_of_its_own(process: VirtualProcess) -> None:
    """`run.stop()`: strikes at 0 s and 1 s, hammered from 2 s, given up at 3 s."""
    team = Watched()
    gave_up: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with Supervisor(signals=SIGNALS) as sup:
            run = sup.stream(team)
            task = asyncio.create_task(run)
            await team.is_working.wait()
            run.stop("this one")
            with pytest.raises(Quarantined):
                await task
            gave_up.append(loop.time())
            team.may_end.set()
        await over(team)

    in_virtual_time(main)
    assert [round(at, 3) for at in gave_up] == [3.0]
    assert [round(at, 6) for at in team.struck[:3]] == [0.0, 1.0, 2.0]
