"""A stop in progress: by a signal, in another thread, where loop and watchdog meet."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from supervisor import Rung, StopRequest, Supervisor
from supervisor._signals.registry import registry
from supervisor._supervisor.facade import parts_of
from supervisor._supervisor.stuck_loop import STUCK_SECONDS
from tests.unit.supervisor.fakes import (
    LONG,
    PATIENT,
    Talker,
)


async def test_a_loop_that_comes_free_while_it_is_told_to_be_blocked() -> None:
    """The watchdog, which would end of an error, is told when to look next."""
    escalation = parts_of(Supervisor(signals={})).escalation
    was_stuck: list[bool] = []

    def come_free() -> None:
        was_stuck.append(True)
        escalation._carry_on()

    escalation._stuck._on_stuck = come_free
    escalation.open(asyncio.get_running_loop())
    escalation._stuck.is_interrupted = False
    escalation._stop.ask(StopRequest(reason="test", rung=Rung.ABANDON))
    escalation._stop.go_to(Rung.ABANDON)
    now = registry.clock.now()
    escalation.on_time(now)
    assert escalation.on_time(now + 2 * STUCK_SECONDS) is not None
    assert was_stuck == [True]
    escalation.close()


async def test_where_all_rungs_are_over_the_process_is_ended_before_anything_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What would be cancelled ends the program while the reason of its forced end is written."""
    loop, team = asyncio.get_running_loop(), Talker()
    had_ended: list[bool] = []
    watchdog: list[asyncio.Future[float | None]] = []

    def exit_now(*_: object) -> None:
        if not had_ended:  # the real one does not return
            asyncio.run_coroutine_threadsafe(_turns(), loop).result()
            had_ended.append(team.has_ended)

    monkeypatch.setattr("supervisor._supervisor.process_end.exit_now", exit_now)
    async with Supervisor(signals={"SIGUSR1": "DRAIN"}, ladder=PATIENT) as sup:
        run = asyncio.ensure_future(sup.stream(team))
        await team.is_working.wait()
        escalation, now = parts_of(sup).escalation, registry.clock.now()
        escalation.on_signal(signal.SIGUSR1, now, now)
        watchdog.append(loop.run_in_executor(None, escalation.on_time, now + 4 * LONG))
        await run
    await asyncio.wait(watchdog)
    assert had_ended == [False]
    assert team.has_ended


async def _turns() -> None:
    """Let the loop do all that it was told to do."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_loop_that_reads_a_signal_carries_out_its_steps_at_once() -> None:
    """The loop that has read a signal tells the program of it before it goes on."""
    async with Supervisor(signals={"SIGUSR1": "CANCEL"}) as sup:
        parts, now = parts_of(sup), registry.clock.now()
        parts.escalation.on_signal(signal.SIGUSR1, now, now)
        was_announced = parts.scope.announcement.request is not None
        parts.escalation.catch_up()
        assert not was_announced
        assert parts.scope.announcement.request is sup.stop_request
    assert sup.stop_request is not None
    assert sup.stop_request.signal is signal.SIGUSR1


async def test_a_signal_stops_with_its_name() -> None:
    """A signal of ours enters at its rung; request, reason and status name it."""
    async with Supervisor(signals={"SIGUSR1": "CANCEL"}, ladder=PATIENT) as sup:
        signal.raise_signal(signal.SIGUSR1)
        await asyncio.sleep(LONG)
    assert sup.stop_request is not None
    assert sup.stop_request.reason == "Stopped by SIGUSR1"
    assert sup.stop_request.signal is signal.SIGUSR1
    assert sup.exit_status == 128 + signal.SIGUSR1


async def test_the_status_without_a_signal() -> None:
    """By itself and by code the status is 0."""
    async with Supervisor(signals={}) as sup:
        assert sup.exit_status == 0
        sup.stop("enough")
        assert sup.exit_status == 0


async def test_a_guest_in_a_thread_leaves_no_handler_behind() -> None:
    """A supervisor of another thread that outlives that of the main thread keeps no handler."""
    found = signal.getsignal(signal.SIGUSR1)
    is_open, may_end = threading.Event(), threading.Event()

    async def guest() -> None:
        async with Supervisor(signals={"SIGUSR1": "CANCEL"}, ladder=PATIENT):
            is_open.set()
            await asyncio.to_thread(may_end.wait)

    thread = threading.Thread(target=asyncio.run, args=(guest(),))
    async with Supervisor(signals={"SIGUSR1": "CANCEL"}, ladder=PATIENT):
        thread.start()
        await asyncio.to_thread(is_open.wait)
        assert signal.getsignal(signal.SIGUSR1) != found
    assert signal.getsignal(signal.SIGUSR1) == found
    may_end.set()
    await asyncio.to_thread(thread.join)
    assert signal.getsignal(signal.SIGUSR1) == found


async def test_a_guest_in_a_thread_obeys_the_main_threads_signals() -> None:
    """It installs nothing, and is stopped by a signal that the main thread's supervisor hears."""
    is_open = threading.Event()
    reasons: list[str] = []

    async def guest() -> None:
        async with Supervisor(signals={"SIGUSR1": "CANCEL"}, ladder=PATIENT) as sup:
            is_open.set()
            reasons.append((await sup.wait_stop()).reason)

    thread = threading.Thread(target=asyncio.run, args=(guest(),))
    async with Supervisor(signals={"SIGUSR1": "CANCEL"}, ladder=PATIENT) as sup:
        thread.start()
        await asyncio.to_thread(is_open.wait)
        signal.raise_signal(signal.SIGUSR1)
        await sup.wait_stop()
        await asyncio.to_thread(thread.join)
    assert reasons == ["Stopped by SIGUSR1"]


async def test_no_signals_installs_nothing() -> None:
    """With `signals={}` neither a handler nor the wakeup fd is touched."""
    found = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(found, warn_on_full_buffer=False)
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    async with Supervisor(signals={}):
        inside = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(inside, warn_on_full_buffer=False)
        assert inside == found
        assert handlers == {number: signal.getsignal(number) for number in signal.valid_signals()}
