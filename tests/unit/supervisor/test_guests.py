"""Supervisors on the loops of other threads: told of a stop, and waited for."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping

import pytest

from supervisor import Ladder, Rung, StopRequest, Supervisor
from supervisor._reports.log import reporter
from supervisor._supervisor.facade import parts_of
from supervisor._supervisor.guests import Guests
from tests.unit.autogen.checks import at_step
from tests.unit.supervisor.fakes import LONG, PATIENT, SHORT, Stubborn, Talker

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGUSR1")

Signals = Mapping[signal.Signals | int | str, Rung | str]

SIGNALS: Signals = {"SIGUSR1": "DRAIN", "SIGUSR2": "CANCEL"}


class Guest:
    """A thread with a loop and a supervisor of its own, which runs a team."""

    def __init__(
        self,
        make: Callable[[], Talker] = Talker,
        signals: Signals = SIGNALS,
        ladder: Ladder = PATIENT,
    ) -> None:
        self._make, self._signals, self._ladder = make, signals, ladder
        self.is_working = threading.Event()
        self.reason: str | None = None
        self._let_go: Callable[[], object] = lambda: None
        self.sup: Supervisor | None = None

    def run(self) -> None:
        """Run the team; in a thread."""
        asyncio.run(self._run())

    def let_go(self) -> None:
        """Let the team end; in any thread."""
        with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended
            self._let_go()

    async def _run(self) -> None:
        loop, team = asyncio.get_running_loop(), self._make()
        self._let_go = lambda: loop.call_soon_threadsafe(team.may_end.set)
        async with Supervisor(signals=self._signals, ladder=self._ladder) as self.sup:
            loop.create_task(self._tell(team))
            self.reason = (await self.sup.stream(team)).stop_reason

    @property
    def has_left(self) -> bool:
        """Whether its block is left."""
        return repr(self.sup).startswith("<Supervisor left")

    async def _tell(self, team: Talker) -> None:
        await team.is_working.wait()
        self.is_working.set()


Start = Callable[[Supervisor, Guest], Awaitable[object]]


async def to_thread(_sup: Supervisor, guest: Guest) -> None:
    """Have the body wait for the guest."""
    await asyncio.to_thread(guest.run)


async def spawn(sup: Supervisor, guest: Guest) -> None:
    """Have a spawned task wait for it."""
    await asyncio.wait([sup.spawn(asyncio.to_thread(guest.run))])


async def in_executor(_sup: Supervisor, guest: Guest) -> None:
    """Have the body wait, without a context that names it to the guest."""
    await asyncio.get_running_loop().run_in_executor(None, guest.run)


async def apart(sup: Supervisor, guest: Guest) -> None:
    """Have nobody wait for it; the body waits for the stop."""
    thread = threading.Thread(target=guest.run, daemon=True)
    thread.start()
    await sup.wait_stop()


STARTS: dict[str, Start] = {
    "to_thread": to_thread,
    "spawn": spawn,
    "executor": in_executor,
    "apart": apart,
}


async def when_working(guest: Guest, call: Callable[[], object]) -> None:
    """Call a function once the guest's team works; let the team go once the guest knows."""
    await asyncio.to_thread(guest.is_working.wait)
    call()
    while guest.sup is None or guest.sup.stop_request is None:  # noqa: ASYNC110 - another thread's
        await asyncio.sleep(0)
    at_step(50, guest.let_go)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(signal.SIGUSR1, "let go"), (signal.SIGUSR2, "Stopped by SIGUSR2")],
    ids=["drain", "cancel"],
)
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
async def test_a_guest_has_its_result(start: Start, number: int, reason: str) -> None:
    """DRAIN lets a guest finish its turn, CANCEL gives it its result; the host goes on after it."""
    guest, went_on = Guest(), False
    stops: list[asyncio.Task[None]] = []
    async with Supervisor(signals=SIGNALS, ladder=PATIENT) as sup:
        stops.append(asyncio.create_task(when_working(guest, lambda: signal.raise_signal(number))))
        await start(sup, guest)
        await asyncio.sleep(0)
        went_on = True
    assert guest.has_left
    assert guest.reason == reason
    assert went_on
    await asyncio.gather(*stops)


async def test_a_stop_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor around a guest names its agents at the terminal; the guest says nothing."""
    said: list[str] = []
    monkeypatch.setattr(type(reporter), "has_reader", True)
    monkeypatch.setattr(reporter, "say", said.append)
    guest = Guest()

    async def stop_it() -> None:
        await asyncio.to_thread(guest.is_working.wait)
        signal.raise_signal(signal.SIGUSR1)
        await asyncio.sleep(0.3)  # both would have said it by then
        guest.let_go()

    stops: list[asyncio.Task[None]] = []
    async with Supervisor(signals=SIGNALS, ladder=PATIENT) as sup:
        stops.append(asyncio.create_task(stop_it()))
        await to_thread(sup, guest)
    await asyncio.gather(*stops)
    [line] = said
    assert "finishing the turn of 'talker'" in line


@pytest.mark.parametrize("start", [to_thread, spawn])
async def test_a_stop_by_code_reaches_those_inside(start: Start) -> None:
    """A guest that was entered within the block obeys like one that is nested in it."""
    guest = Guest(signals={})
    stops: list[asyncio.Task[None]] = []
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        stops.append(asyncio.create_task(when_working(guest, lambda: sup.stop("enough"))))
        await start(sup, guest)
    assert guest.reason == "enough"
    await asyncio.gather(*stops)


async def test_a_stop_by_code_leaves_the_others() -> None:
    """A guest that was opened by itself is not stopped, and not waited for."""
    guest = Guest(signals={})
    thread = threading.Thread(target=guest.run)
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        thread.start()
        await asyncio.to_thread(guest.is_working.wait)
        sup.stop("enough")
    assert not guest.has_left
    guest.let_go()
    await asyncio.to_thread(thread.join)
    assert guest.reason == "let go"


async def test_a_guest_with_nothing_to_do_spares_nobody() -> None:
    """The body is cancelled at CANCEL, where no guest has work; the guest's block is left, too."""
    is_open, has_left = threading.Event(), threading.Event()

    async def idle() -> None:
        async with Supervisor(signals=SIGNALS, ladder=PATIENT):
            is_open.set()
            await asyncio.sleep(LONG)
        has_left.set()

    thread = threading.Thread(target=asyncio.run, args=(idle(),))
    async with Supervisor(signals=SIGNALS, ladder=PATIENT):
        thread.start()
        await asyncio.to_thread(is_open.wait)
        signal.raise_signal(signal.SIGUSR1)
        await asyncio.sleep(LONG)
    assert await asyncio.to_thread(has_left.wait, 10)
    await asyncio.to_thread(thread.join)


async def test_a_guest_that_comes_after_the_stop_starts_nothing() -> None:
    """Inside a block that was told to stop a guest runs no team."""
    guest, team = Guest(), Talker()
    guest._make = lambda: team
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        sup.stop("enough")
        await asyncio.to_thread(guest.run)
    assert guest.reason is None
    assert guest.has_left
    assert not team.is_working.is_set()


async def test_a_guest_that_is_told_as_it_leaves() -> None:
    """A stop that comes from another thread in the midst of that does not come out as an error."""
    sup = Supervisor(signals={}, ladder=PATIENT)
    asked = StopRequest(reason="enough", rung=Rung.CANCEL)
    scope, other = parts_of(sup).scope, parts_of(Supervisor(signals={})).scope
    late, early = Guests(other), Guests(other)
    other.wake_soon = lambda: late.order(scope, asked, Rung.CANCEL)  # type: ignore[method-assign]
    async with sup:
        early.order(scope, asked, Rung.CANCEL)
    assert sup.stop_request is asked
    assert not scope.phase.is_open


async def test_a_guest_that_has_left_as_it_is_told_is_not_waited_for() -> None:
    """Its thread leaves the block between the look at who is there and the stop's arrival."""
    sup = Supervisor(signals={}, ladder=PATIENT)
    parts, guests = parts_of(sup), Guests(parts_of(Supervisor(signals={})).scope)
    guests.enter(parts.scope)

    def leave(guests: Guests) -> None:
        parts.block.give_back()

    async with sup:
        parts.scope.nesting.note_teller = leave  # type: ignore[method-assign]
        guests.tell(StopRequest(reason="enough", rung=Rung.CANCEL), Rung.CANCEL)
        assert not guests.are_open


async def test_a_guest_that_refuses_is_left_at_the_end_of_the_ladder() -> None:
    """The block is left when its ladder is spent, though the guest's is not."""
    guest = Guest(Stubborn, signals={})
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        waiting = asyncio.create_task(asyncio.to_thread(guest.run))
        await asyncio.to_thread(guest.is_working.wait)
        sup.stop("enough", Rung.DRAIN)
    assert not guest.has_left
    guest.let_go()
    await asyncio.wait([waiting])
    assert guest.has_left
