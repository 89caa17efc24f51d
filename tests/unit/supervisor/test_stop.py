"""Asking for a stop: before, while and after, from any thread, from a signal handler."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import signal
import sys
import threading

import pytest

from supervisor import Ladder, Rung, SettingsError, StopRequest, Supervisor, UsageError
from supervisor._supervisor.facade import parts_of
from tests.unit.supervisor.fakes import (
    LONG,
    PATIENT,
    Talker,
    insist,
)


async def test_a_stop_needs_no_reason_and_takes_a_rung_by_name() -> None:
    """`stop()` alone will do; a rung may be a name, and an unknown one changes nothing."""
    async with Supervisor(signals={}) as sup:
        with pytest.raises(SettingsError, match="give DRAIN, CANCEL, ABANDON or EXIT"):
            sup.stop("enough", "drian")
        assert sup.rung is Rung.RUNNING
        sup.stop(rung="drain")
        request = await sup.wait_stop()
        assert (request.reason, request.rung) == ("Stopped", Rung.DRAIN)


async def test_rungs_that_cannot_be_asked_for() -> None:
    """RUNNING never, and EXIT only where the process is ours to end; nothing has changed then."""
    async with Supervisor(signals={}) as sup:
        for rung in (Rung.RUNNING, Rung.EXIT):
            with pytest.raises(UsageError):
                sup.stop("no", rung)
        assert sup.stop_request is None
        assert sup.rung is Rung.RUNNING


async def test_stop_before_entry_ends_at_the_first_await() -> None:
    """A stop that came before the block lets it begin, and ends it at its first await."""
    steps: list[str] = []
    found = sys.getswitchinterval()
    sup = Supervisor(signals={}, ladder=PATIENT)
    sup.stop("early")
    async with sup:
        steps.append("began")
        await asyncio.sleep(LONG)
        steps.append("went on")
    assert steps == ["began"]
    assert sup.stop_request is not None
    assert sup.stop_request.reason == "early"
    assert sys.getswitchinterval() == found


async def test_a_chain_of_tasks_that_is_too_long_for_asyncio_keeps_no_others() -> None:
    """Its outer ones cannot be cancelled (asyncio recurses through all); the stop goes on."""
    asyncio.get_running_loop().set_debug(False)  # which takes a stack of each
    chain = list[asyncio.Task[None]]()
    may_end = asyncio.Event()

    async def wait_for(inner: int) -> None:
        if inner < 0:
            await insist(may_end)
        else:
            await chain[inner]

    async with Supervisor(signals={}, ladder=Ladder(drain=0.05, cancel=0.05, abandon=0.05)) as sup:
        for inner in range(-1, 5000):
            chain.append(sup.spawn(wait_for(inner)))
        others = [sup.spawn(asyncio.sleep(LONG)) for _ in range(20)]
        await asyncio.sleep(0.01)
        sup.stop("Enough")
    may_end.set()
    await asyncio.wait(chain)
    assert all(other.cancelled() for other in others)


async def test_stop_after_exit_does_nothing() -> None:
    """After the block nothing is left to stop."""
    async with Supervisor(signals={}) as sup:
        pass
    sup.stop("late")
    assert sup.stop_request is None
    assert sup.rung is Rung.RUNNING


async def test_the_first_reason_stays() -> None:
    """Further stops climb where they ask for more, and change no reason."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        sup.stop("first", Rung.DRAIN)
        sup.stop("second", Rung.DRAIN)
        sup.stop("third", Rung.ABANDON)
        sup.stop("fourth", Rung.CANCEL)
        assert sup.rung is Rung.ABANDON
        assert sup.stop_request is not None
        assert sup.stop_request.reason == "first"


async def test_stop_from_another_thread_wakes_a_quiet_loop() -> None:
    """`stop()` needs no loop of its own, and no event to come by."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        thread = threading.Thread(target=sup.stop, args=("from afar",))
        asyncio.get_running_loop().call_soon(thread.start)
        await asyncio.sleep(LONG)
    thread.join()
    assert sup.stop_request is not None
    assert sup.stop_request.reason == "from afar"


async def test_many_threads_at_once() -> None:
    """However many ask, the stop is one, and each callback is called once."""
    told: list[StopRequest] = []
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        sup.on_stop(told.append)
        threads = [threading.Thread(target=sup.stop, args=(f"{n}",)) for n in range(20)]
        for thread in threads:
            thread.start()
        await sup.wait_stop()
        for thread in threads:
            thread.join()
    assert told == [sup.stop_request]


async def test_stop_from_a_signal_handler_of_the_users() -> None:
    """A handler that interrupts the ladder's own bookkeeping may ask for a stop."""
    sup = Supervisor(signals={}, ladder=PATIENT)

    def by_hand(*_: object) -> None:
        sup.stop("by hand", Rung.DRAIN)

    found = signal.signal(signal.SIGUSR1, by_hand)
    try:
        async with sup:
            parts_of(sup).stop._mailbox.post(lambda: signal.raise_signal(signal.SIGUSR1))
            assert sup.rung is Rung.DRAIN
            assert (await sup.wait_stop()).reason == "by hand"
    finally:
        signal.signal(signal.SIGUSR1, found)


async def test_a_run_has_its_own_stop_and_timeout() -> None:
    """One run can be stopped, or run out of time, and the supervisor goes on."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        run = sup.stream(Talker(), timeout=0.01)
        assert (await run).stop_reason == "Stopped after 0.01 s"
        run = sup.stream(team := Talker())
        task = asyncio.create_task(run)
        await team.is_working.wait()
        run.stop("this one")
        assert (await task).stop_reason == "this one"
        assert sup.stop_request is None
