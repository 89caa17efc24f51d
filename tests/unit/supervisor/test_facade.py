"""The conductor in this process: what its block does, with teams that are fakes."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import socket
import sys
import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from supervisor import Ladder, Rung, SettingsError, Stopped, StopRequest, Supervisor, UsageError
from supervisor._core.errors import Quarantined
from supervisor._process.threads import DaemonThreadPool
from supervisor._reports.log import reporter
from supervisor._supervisor.facade import parts_of
from tests.unit.supervisor.fakes import LONG, Failing, Stubborn, Talker, insist, over

SHORT = Ladder(drain=0.05, cancel=0.05, abandon=0.05)
"""For what refuses: each rung is over soon."""
PATIENT = Ladder(drain=LONG, cancel=LONG, abandon=LONG)
"""For what must end by itself: no rung is left for the time."""


@pytest.fixture(autouse=True)
def _no_grace_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUPERVISOR_GRACE", raising=False)


def cancelling() -> int:
    """How many cancellations of the present task are pending."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


@contextlib.asynccontextmanager
async def settles_its_count() -> AsyncGenerator[None]:
    """Checks that the task's count of cancellations is what it was."""
    found = cancelling()
    yield
    assert cancelling() == found
    await asyncio.sleep(0)  # and none is on its way


# --- settings and misuse -------------------------------------------------------------------------


def test_a_ladder_that_is_none_is_refused() -> None:
    """Seconds given as a number instead of a `Ladder` are refused."""
    with pytest.raises(SettingsError, match="give a Ladder"):
        Supervisor(ladder=8)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "signals",
    [{"SIGKILL": "DRAIN"}, {"SIGNONE": "DRAIN"}, {signal.SIGTERM: Rung.RUNNING}],
)
def test_a_signal_that_cannot_stop_is_refused(signals: Any) -> None:
    """Bad signals are refused when the supervisor is built."""
    with pytest.raises(SettingsError):
        Supervisor(signals=signals)


@pytest.mark.parametrize("field", ["exits", "guard", "fast_path"])
def test_a_switch_that_is_no_bool_is_refused(field: str) -> None:
    """A word for a switch is refused: "no" would count as on."""
    with pytest.raises(SettingsError, match=f"{field}; give True or False"):
        Supervisor(**{field: "no"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_ready_file_that_is_no_path_is_refused() -> None:
    """The error names the setting, and says what to give."""
    with pytest.raises(SettingsError, match="ready_file; give the path of a file"):
        Supervisor(ready_file=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_the_environment_sets_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SUPERVISOR_GRACE` is the whole budget, whatever the code says."""
    monkeypatch.setenv("SUPERVISOR_GRACE", "28")
    ladder = Supervisor(ladder=Ladder(drain=1)).ladder
    assert ladder.budget(Rung.DRAIN) == 28
    assert ladder.seconds(Rung.CANCEL) == 2


def test_a_bad_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `SUPERVISOR_GRACE` that is no number is an error that names it."""
    monkeypatch.setenv("SUPERVISOR_GRACE", "soon")
    with pytest.raises(SettingsError, match="SUPERVISOR_GRACE"):
        Supervisor()


def test_without_forced_exit_there_is_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SUPERVISOR_GRACE=off` takes the end off the ladder."""
    monkeypatch.setenv("SUPERVISOR_GRACE", "off")
    assert Supervisor().ladder.seconds(Rung.ABANDON) == math.inf


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    """Started with SIGINT ignored (`&` in a shell script), it is not among the defaults."""
    found = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert signal.SIGINT not in parts_of(Supervisor()).settings.handled
        chosen = Supervisor(signals={"SIGINT": "CANCEL"})
        assert signal.SIGINT in parts_of(chosen).settings.handled
    finally:
        signal.signal(signal.SIGINT, found)


async def test_entered_twice() -> None:
    """A supervisor that was used cannot be used again, nor while it is open."""
    sup = Supervisor(signals={})
    async with sup:
        with pytest.raises(UsageError, match="make a new one"):
            await sup.__aenter__()
    with pytest.raises(UsageError, match="make a new one"):
        await sup.__aenter__()


async def test_a_block_that_cannot_be_opened_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No file or thread can be had for a moment: the next block is as if that one had not been."""
    found = signal.getsignal(signal.SIGTERM)
    async with Supervisor():
        pass  # what is made once in a process is there
    for what, name in ((threading.Thread, "start"), (socket, "socketpair")):
        monkeypatch.setattr(what, name, _no_more)
        with pytest.raises(OSError, match="no more"):
            await Supervisor().__aenter__()
        monkeypatch.undo()
        async with Supervisor() as sup:
            names = [thread.name for thread in threading.enumerate()]
            assert "supervisor-watchdog" in names
            signal.raise_signal(signal.SIGTERM)
            await asyncio.wait_for(sup.wait_stop(), 5)
        assert signal.getsignal(signal.SIGTERM) == found


def _no_more(*_: object) -> None:
    raise OSError("no more")


async def test_used_outside_its_block() -> None:
    """Before and after its block it starts nothing, and says what to do."""
    sup = Supervisor(signals={})
    for _ in range(2):
        with pytest.raises(UsageError, match="inside `async with Supervisor"):
            sup.stream(Talker())
        with pytest.raises(UsageError, match="inside `async with Supervisor"):
            sup.spawn(asyncio.sleep(0))
        with pytest.raises(UsageError, match="inside `async with Supervisor"):
            await sup.wait_stop()
        if sup.stop_request is None:
            async with sup:
                sup.stop("done")


async def test_used_in_another_thread() -> None:
    """A run belongs to the loop of its supervisor; elsewhere it is refused with a reason."""
    async with Supervisor(signals={}) as sup:
        with pytest.raises(UsageError, match="belongs to the event loop"):
            await asyncio.to_thread(sup.stream, Talker())


async def test_what_cannot_be_run() -> None:
    """What has no `run_stream`, and a time that is none, are refused at once."""
    async with Supervisor(signals={}) as sup:
        with pytest.raises(TypeError, match="run_stream"):
            sup.stream("team")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        for limit in (math.nan, -1, True, "5"):
            with pytest.raises(SettingsError, match="timeout"):
                sup.stream(Talker(), timeout=limit)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


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


# --- the stop ------------------------------------------------------------------------------------


async def test_a_run_is_stopped_and_the_body_goes_on() -> None:
    """The run returns what was said so far; the body has its seconds after that."""
    async with settles_its_count():
        went_on = False
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            team = Talker()
            sup.spawn(stop_when(team.is_working, sup))
            result = await sup.stream(team)
            assert [m.to_text() for m in result.messages if hasattr(m, "to_text")] == ["one"]
            assert result.stop_reason == "enough"
            await asyncio.sleep(0.01)
            went_on = True
        assert went_on
        assert team.has_ended


async def stop_when(event: asyncio.Event, sup: Supervisor, rung: Rung = Rung.CANCEL) -> None:
    """Asks for a stop once an event has come."""
    await event.wait()
    sup.stop("enough", rung)


async def test_a_further_run_is_refused_past_except_exception() -> None:
    """A loop over jobs ends at a stop, although each job is wrapped; the block swallows it."""
    jobs: list[str] = []
    async with Supervisor(signals={}) as sup:
        for job in range(3):
            try:
                sup.stop("enough")
                await sup.stream(Talker())
            except Exception:  # noqa: BLE001 - what users write
                jobs.append(f"failed {job}")
            jobs.append(f"done {job}")
    assert jobs == []


async def test_stopped_carries_the_request() -> None:
    """`Stopped` says which stop was in the way, and is a cancellation."""
    async with Supervisor(signals={}) as sup:
        sup.stop("enough")
        with pytest.raises(Stopped, match="enough") as caught:
            await sup.stream(Talker())
        assert caught.value.request is sup.stop_request
        coro = asyncio.sleep(0)
        with pytest.raises(Stopped):
            sup.spawn(coro)


async def test_a_body_without_a_run_is_cancelled() -> None:
    """Where no run was active, the body is cancelled at CANCEL, and the block swallows that."""
    async with settles_its_count():
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            asyncio.get_running_loop().call_soon(sup.stop, "enough")
            await asyncio.sleep(LONG)
            pytest.fail("the body was not cancelled")
        assert sup.rung is Rung.CANCEL


async def test_a_drain_with_nothing_to_wait_for_is_left_at_once() -> None:
    """An idle supervisor goes from DRAIN to CANCEL without waiting."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        asyncio.get_running_loop().call_soon(sup.stop, "enough", Rung.DRAIN)
        await asyncio.sleep(LONG)
    assert sup.rung is Rung.CANCEL


async def test_a_drain_waits_for_a_run() -> None:
    """In DRAIN a run goes on to its own end, and then so does the body, until it leaves."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        team = Talker()
        sup.spawn(stop_when(team.is_working, sup, Rung.DRAIN))
        run = sup.spawn(wait_for(sup, team))
        await sup.wait_stop()
        assert sup.rung is Rung.DRAIN
        team.may_end.set()
        assert await run == "let go"
        assert sup.rung is Rung.DRAIN


async def wait_for(sup: Supervisor, team: Talker) -> str | None:
    """What the team's run ended with."""
    return (await sup.stream(team)).stop_reason


async def test_a_body_that_does_not_end_is_cancelled_at_abandon() -> None:
    """A body that goes on after its result has until ABANDON."""
    reached: list[Rung] = []
    async with settles_its_count(), Supervisor(signals={}, ladder=SHORT) as sup:
        team = Talker()
        sup.spawn(stop_when(team.is_working, sup))
        await sup.stream(team)
        try:
            await asyncio.sleep(LONG)
        finally:
            reached.append(sup.rung)
    assert reached == [Rung.ABANDON]


async def test_a_body_in_wait_stop_is_told_and_not_cancelled() -> None:
    """`wait_stop()` returns the request, and the body then ends in its own time."""
    async with settles_its_count():
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            asyncio.get_running_loop().call_soon(sup.stop, "enough")
            request = await sup.wait_stop()
            assert request is sup.stop_request
            assert request.reason == "enough"
            await asyncio.sleep(0.01)
            assert await sup.wait_stop() is request
        assert sup.rung is Rung.CANCEL


async def test_a_body_that_asked_is_not_interrupted() -> None:
    """Who calls `stop()` in the body goes on to the end of it."""
    went_on = False
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        sup.stop("enough")
        await asyncio.sleep(0.01)
        went_on = True
    assert went_on


async def test_a_run_that_nobody_waits_for_is_stopped() -> None:
    """A body that ends with a started run unread stops it."""
    team = Talker()
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        async for _ in (run := sup.stream(team)):
            break
    assert team.has_ended
    assert run.stop_request is not None
    assert sup.stop_request is None


async def test_a_body_that_raises_stops_everything() -> None:
    """Its exception comes out, and nothing is at work by then."""
    team = Talker()
    with pytest.raises(LookupError, match="mine"):  # noqa: PT012 - the block is what is tested
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            task = sup.spawn(wait_for(sup, team))
            await team.is_working.wait()
            raise LookupError("mine")
    assert task.result() == "The block raised LookupError"
    assert team.has_ended


async def test_a_failing_team_raises_as_without_us() -> None:
    """A team's own error comes out of its run, and other runs go on."""
    failing, other = Failing(), Talker("other")
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        task = sup.spawn(wait_for(sup, other))
        await other.is_working.wait()
        failing.may_end.set()
        with pytest.raises(LookupError, match="the team has failed"):
            await sup.stream(failing)
        assert sup.rung is Rung.RUNNING
        other.may_end.set()
        assert await task == "let go"


async def test_what_refuses_is_given_up() -> None:
    """At the end of a ladder that must not end the process the run raises `Quarantined`."""
    team = Stubborn("mule")
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        sup.spawn(stop_when(team.is_working, sup))
        with pytest.raises(Quarantined, match="mule"):
            await sup.stream(team)
    assert sup.rung is Rung.ABANDON
    team.may_end.set()
    await over(team)


# --- asking for it -------------------------------------------------------------------------------


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
            parts_of(sup).stop._facts.add(lambda: signal.raise_signal(signal.SIGUSR1))
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


# --- callbacks -----------------------------------------------------------------------------------


async def test_on_stop_is_called_in_the_loop_and_isolated(caplog: pytest.LogCaptureFixture) -> None:
    """A callback that raises is logged, and does not keep the next from being called."""
    told: list[int] = []

    def fail(_: StopRequest) -> None:
        raise LookupError("mine")

    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        sup.on_stop(fail)
        sup.on_stop(lambda _: told.append(threading.get_ident()))
        afar = asyncio.create_task(asyncio.to_thread(sup.stop, "enough"))
        await sup.wait_stop()
        await afar
    assert told == [threading.get_ident()]
    assert await asyncio.to_thread(reporter.flush, 5)
    assert "on_stop callback failed" in caplog.messages


async def test_on_stop_registered_late_is_called_soon() -> None:
    """Registered after the stop, a callback is called all the same, once."""
    told: list[StopRequest] = []
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        sup.stop("enough")
        request = await sup.wait_stop()
        sup.on_stop(told.append)
        await asyncio.sleep(0.01)
    assert told == [request]


def test_on_stop_after_the_loop_has_closed_does_nothing() -> None:
    """A callback that is registered after everything is never called, and nothing raises."""
    told: list[StopRequest] = []

    async def main() -> Supervisor:
        async with Supervisor(signals={}) as sup:
            sup.stop("enough")
            await sup.wait_stop()
        return sup

    asyncio.run(main()).on_stop(told.append)
    assert told == []


# --- spawned tasks -------------------------------------------------------------------------------


async def test_a_spawned_task_is_waited_for() -> None:
    """The block is left once its tasks have ended by themselves."""
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append("work")

    async with Supervisor(signals={}) as sup:
        assert sup.spawn(work(), name="the work").get_name() == "the work"
    assert done == ["work"]
    assert sup.stop_request is None


async def test_a_spawned_task_is_cancelled_at_cancel() -> None:
    """A stop lets it work in DRAIN, and cancels it at CANCEL."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        task = sup.spawn(asyncio.sleep(LONG))
        sup.stop("enough", Rung.DRAIN)
        await sup.wait_stop()
        await asyncio.sleep(0.01)
        assert not task.done()
        sup.stop("now")
    assert task.cancelled()


async def test_a_failure_that_nobody_saw_comes_out() -> None:
    """A spawned task that failed unseen is raised by the block, in a group."""

    async def fail() -> None:
        raise LookupError("mine")

    with pytest.RaisesGroup(pytest.RaisesExc(LookupError, match="mine")):
        async with Supervisor(signals={}) as sup:
            sup.spawn(fail())
            await asyncio.sleep(0.01)


async def test_a_failure_that_was_seen_does_not_come_out_twice() -> None:
    """Who awaits the task and handles its error has dealt with it."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("mine")

    async with Supervisor(signals={}) as sup:
        with pytest.raises(LookupError):
            await sup.spawn(fail())


async def test_a_failure_beside_the_bodys_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The body's own error comes out; that of a task is not lost."""

    async def fail() -> None:
        raise LookupError("the task's")

    with pytest.raises(ValueError, match="the body's"):  # noqa: PT012 - the block is what is tested
        async with Supervisor(signals={}) as sup:
            sup.spawn(fail())
            await asyncio.sleep(0.01)
            raise ValueError("the body's")
    assert await asyncio.to_thread(reporter.flush, 5)
    [record] = [r for r in caplog.records if r.message == "spawned task failed"]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)


async def test_a_task_that_reads_a_run_goes_on_with_its_result() -> None:
    """At CANCEL the run ends, and its reader has until ABANDON to do something with it."""
    saved: list[str | None] = []

    async def job(sup: Supervisor, team: Talker) -> None:
        reason = await wait_for(sup, team)
        await asyncio.sleep(0.01)
        saved.append(reason)
        await asyncio.sleep(LONG)

    async with Supervisor(signals={}, ladder=Ladder(drain=0, cancel=0.5, abandon=0.1)) as sup:
        team = Talker()
        task = sup.spawn(job(sup, team))
        await team.is_working.wait()
        sup.stop("enough")
    assert saved == ["enough"]
    assert task.cancelled()
    assert sup.rung is Rung.ABANDON


async def test_a_task_that_refuses_is_left(caplog: pytest.LogCaptureFixture) -> None:
    """A guest's block is left at the end of the ladder, and says who is still there."""
    may_end = asyncio.Event()
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        task = sup.spawn(insist(may_end), name="mule")
        await asyncio.sleep(0)
        sup.stop("enough")
    was_left = not task.done()
    may_end.set()
    await asyncio.wait([task])
    assert was_left
    assert await asyncio.to_thread(reporter.flush, 5)
    [record] = [r for r in caplog.records if r.message == "refused to stop"]
    [left] = record.__dict__["left"]
    assert (left["kind"], left["name"]) == ("task", "mule")
    assert "insist (" in left["stack"][-1]
    assert left["asked"] > 0


# --- cancellations from outside ------------------------------------------------------------------


async def test_a_cancellation_from_outside_comes_out_after_settling() -> None:
    """The block's task is cancelled: the run is settled, then the cancellation is raised."""
    team = Talker()

    async def body() -> None:
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            await sup.stream(team)

    task = asyncio.create_task(body())
    await team.is_working.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert team.has_ended
    assert task.cancelling() == 1


async def test_a_cancellation_while_leaving_comes_out_after_settling() -> None:
    """Cancelled while it waits for its tasks, the block stops them and is left, cancelled."""
    entered, may_end = asyncio.Event(), asyncio.Event()
    spawned: list[asyncio.Task[None]] = []

    async def linger() -> None:
        entered.set()
        try:
            await asyncio.sleep(LONG)
        finally:
            await may_end.wait()

    async def body() -> None:
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            spawned.append(sup.spawn(linger()))

    task = asyncio.create_task(body())
    await entered.wait()
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert spawned[0].cancelled()


async def test_a_stop_and_a_cancellation_from_outside_at_once() -> None:
    """Who cancels from outside gets a cancellation, also where a stop came with it."""

    async def body(sup: Supervisor) -> None:
        async with sup:
            await asyncio.sleep(LONG)

    sup = Supervisor(signals={}, ladder=PATIENT)
    task = asyncio.create_task(body(sup))
    await asyncio.sleep(0)
    sup.stop("enough")
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelling() == 1


async def test_a_timeout_around_the_block() -> None:
    """`asyncio.timeout` around the block raises its `TimeoutError`, after settling."""
    team = Talker()
    async with settles_its_count():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), Supervisor(signals={}, ladder=PATIENT) as sup:
                await sup.stream(team)
    assert team.has_ended


async def test_a_timeout_inside_the_block() -> None:
    """`asyncio.timeout` around a run ends that run, and the block goes on."""
    async with settles_its_count(), Supervisor(signals={}, ladder=PATIENT) as sup:
        team = Talker()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await sup.stream(team)
        assert team.has_ended
        assert sup.stop_request is None


async def test_a_stop_inside_a_timeout_is_no_timeout() -> None:
    """A stop that cancels the body inside of `asyncio.timeout` comes out as a stop."""
    async with settles_its_count():
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            asyncio.get_running_loop().call_soon(sup.stop, "enough")
            async with asyncio.timeout(LONG):
                await asyncio.sleep(LONG)
        assert sup.stop_request is not None


async def test_a_task_group_inside_the_block() -> None:
    """A stop ends the runs in a `TaskGroup`, each with its result, and the group with them."""
    async with settles_its_count(), Supervisor(signals={}, ladder=PATIENT) as sup:
        teams = [Talker(f"team_{n}") for n in range(3)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(wait_for(sup, team)) for team in teams]
            for team in teams:
                await team.is_working.wait()
            sup.stop("enough")
        assert [task.result() for task in tasks] == ["enough"] * 3


async def test_stopped_in_the_body_of_a_task_group() -> None:
    """A run that is refused in a `TaskGroup`, however deep, ends the block in order."""
    went_on: list[str] = []
    async with settles_its_count(), Supervisor(signals={}, ladder=PATIENT) as sup:
        sup.stop("enough")
        async with asyncio.TaskGroup(), asyncio.TaskGroup():
            await sup.stream(Talker())
        went_on.append("behind the group")
    assert went_on == []


async def test_stopped_beside_an_error_in_a_task_group() -> None:
    """An error in the group comes out, also beside a run that is refused there."""
    with pytest.RaisesGroup(LookupError, pytest.RaisesExc(asyncio.CancelledError)):
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            sup.stop("enough")
            raise BaseExceptionGroup("both", [LookupError("mine"), Stopped(sup.stop_request)])


async def test_a_task_group_around_the_block() -> None:
    """A sibling that fails cancels the block from outside: the group's error comes out."""
    team = Talker()

    async def block() -> None:
        async with Supervisor(signals={}, ladder=PATIENT) as sup:
            await sup.stream(team)

    async def fail() -> None:
        await team.is_working.wait()
        raise LookupError("mine")

    with pytest.RaisesGroup(LookupError):
        async with asyncio.TaskGroup() as group:
            group.create_task(block())
            group.create_task(fail())
    assert team.has_ended


async def test_a_cancelled_task_may_use_a_block() -> None:
    """A task that was cancelled before (and goes on) has a whole block all the same."""

    async def clean_up() -> str | None:
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            async with Supervisor(signals={}, ladder=PATIENT) as sup:
                asyncio.get_running_loop().call_soon(sup.stop, "enough")
                await asyncio.sleep(LONG)
            assert cancelling() == 1
            return "cleaned"
        return None

    task = asyncio.create_task(clean_up())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "cleaned"


# --- nested --------------------------------------------------------------------------------------


async def test_a_stop_of_the_outer_one_reaches_the_inner_ones_runs() -> None:
    """A run under a nested supervisor ends with the outer stop's reason, and its result."""
    team = Talker()
    saved: list[str | None] = []
    async with settles_its_count():
        async with Supervisor(signals={}, ladder=PATIENT) as outer:
            async with Supervisor(signals={}, ladder=PATIENT) as inner:
                outer.spawn(stop_when(team.is_working, outer))
                saved.append(await wait_for(inner, team))
                await asyncio.sleep(0.01)
                saved.append("went on")
            assert inner.stop_request is outer.stop_request
        assert outer.rung is Rung.CANCEL
    assert saved == ["enough", "went on"]


async def test_a_block_in_a_spawned_task_keeps_its_result() -> None:
    """The outer stop does not cancel a task whose own block has a run to end."""
    team = Talker()
    saved: list[str | None] = []

    async def job() -> None:
        async with Supervisor(signals={}, ladder=PATIENT) as inner:
            saved.append(await wait_for(inner, team))

    async with Supervisor(signals={}, ladder=PATIENT) as outer:
        outer.spawn(job())
        await team.is_working.wait()
        outer.stop("enough")
    assert saved == ["enough"]


async def test_a_stop_of_the_inner_one_leaves_the_outer_one() -> None:
    """The inner block ends; the outer one goes on, and can run."""
    async with settles_its_count(), Supervisor(signals={}, ladder=PATIENT) as outer:
        async with Supervisor(signals={}, ladder=PATIENT) as inner:
            asyncio.get_running_loop().call_soon(inner.stop, "inner only")
            await asyncio.sleep(LONG)
        assert outer.stop_request is None
        team = Talker()
        team.may_end.set()
        assert await wait_for(outer, team) == "let go"


async def test_one_cancellation_each_for_nested_blocks() -> None:
    """A stop of both cancels their one body once for each, and each takes back its own."""
    async with settles_its_count():
        async with Supervisor(signals={}, ladder=PATIENT) as outer:
            async with Supervisor(signals={}, ladder=PATIENT) as inner:
                asyncio.get_running_loop().call_soon(outer.stop, "enough")
                await asyncio.sleep(LONG)
            pytest.fail("the outer body was not cancelled")
        assert inner.stop_request is not None


async def test_no_run_in_an_inner_block_after_the_outer_stop() -> None:
    """A block that is entered after the stop starts nothing: `Stopped` goes through it."""
    steps: list[str] = []
    async with Supervisor(signals={}, ladder=PATIENT) as outer:
        outer.stop("enough")
        async with Supervisor(signals={}, ladder=PATIENT) as inner:
            await inner.stream(Talker())
        steps.append("went on")
    assert steps == []


async def test_the_outer_deadline_holds_for_the_inner_ladder() -> None:
    """After a signal the inner ladder ends no later than the outer one."""
    short, long = Ladder(drain=1, cancel=1, abandon=1), Ladder(drain=60, cancel=60, abandon=60)
    async with (
        Supervisor(signals={"SIGUSR1": "DRAIN"}, ladder=short) as outer,
        Supervisor(signals={"SIGUSR1": "DRAIN"}, ladder=long) as inner,
    ):
        signal.raise_signal(signal.SIGUSR1)
        await inner.wait_stop()
        async with asyncio.timeout(5):  # the inner one follows each climb a step of the loop later
            while parts_of(inner).stop.deadline != parts_of(outer).stop.deadline:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert not parts_of(inner).scope.nesting.may_exit
        assert parts_of(outer).scope.nesting.may_exit


async def test_an_inner_ladder_that_is_spent_does_not_end_the_process() -> None:
    """Inside another's block the end of the ladder leaves what refuses, also after a signal."""
    may_end = asyncio.Event()
    ladder = Ladder(drain=0.02, cancel=0.02, abandon=0.02)
    async with Supervisor(signals={}, ladder=PATIENT):
        async with Supervisor(signals={"SIGUSR1": "CANCEL"}, ladder=ladder) as inner:
            task = inner.spawn(insist(may_end))
            await asyncio.sleep(0)
            signal.raise_signal(signal.SIGUSR1)
        was_left = not task.done()
        may_end.set()
        await asyncio.wait([task])
        assert was_left
        assert inner.rung is Rung.EXIT


# --- signals, in short ---------------------------------------------------------------------------


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


# --- the token -----------------------------------------------------------------------------------


async def test_the_token_is_cancelled_at_cancel() -> None:
    """It lives through DRAIN, and is cancelled at CANCEL with the stop's reason."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        token = sup.token
        sup.spawn(asyncio.sleep(LONG))
        sup.stop("enough", Rung.DRAIN)
        await sup.wait_stop()
        assert not token.is_cancelled()
        sup.stop("now", Rung.CANCEL)
        await asyncio.sleep(0.01)
        assert token.is_cancelled()
        assert token.reason == "enough"


async def test_cancelling_the_token_is_a_stop() -> None:
    """Whoever cancels it, from any thread, stops the supervisor."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        linked = asyncio.get_running_loop().create_future()
        sup.token.link_future(linked)
        afar = asyncio.create_task(asyncio.to_thread(sup.token.cancel))
        assert (await sup.wait_stop()).reason == "The supervisor's token was cancelled"
        await afar
    assert linked.cancelled()


async def test_the_token_first_asked_for_in_another_thread_belongs_to_the_loop() -> None:
    """Futures are cancelled in the loop's thread, wherever the token was made."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        token = await asyncio.to_thread(lambda: sup.token)
        seen: list[int] = []
        token.add_callback(lambda: seen.append(threading.get_ident()))
        afar = asyncio.create_task(asyncio.to_thread(token.cancel))
        await sup.wait_stop()
        await afar
    assert seen == [threading.get_ident()]


async def test_the_token_of_a_stopped_supervisor_is_cancelled() -> None:
    """First asked for after CANCEL, it is cancelled already."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        sup.stop("enough")
        await sup.wait_stop()
        assert sup.token.is_cancelled()


async def test_the_supervisors_own_token_given_to_a_run_changes_nothing() -> None:
    """A run that is given `sup.token` is stopped as any, and not cancelled by its caller."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        team = Talker()
        sup.spawn(stop_when(team.is_working, sup))
        result = await sup.stream(team, cancellation_token=sup.token)
        assert result.stop_reason == "enough"


# --- the rest ------------------------------------------------------------------------------------


async def test_repr_is_a_diagnosis() -> None:
    """It says the state, what is at work, and how far the stop is."""
    sup = Supervisor(signals={})
    assert repr(sup) == "<Supervisor not entered yet, 0 runs, 0 tasks, <Climb RUNNING>>"
    async with sup:
        sup.spawn(asyncio.sleep(0))
        assert repr(sup) == "<Supervisor open, 0 runs, 1 tasks, <Climb RUNNING>>"
        sup.stop("enough")
        assert "CANCEL" in repr(sup)
    assert repr(sup).startswith("<Supervisor left, 0 runs, 0 tasks, <Climb CANCEL")


async def test_the_default_executor_is_ours() -> None:
    """The loop's own threads do not hold its end."""
    names: list[str] = []
    async with Supervisor(signals={}):
        await asyncio.to_thread(lambda: names.append(threading.current_thread().name))
    assert names[0].startswith("supervisor-executor")


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_an_executor_of_the_users_is_left_alone() -> None:
    """A default executor that was set before is not replaced."""
    mine = DaemonThreadPool(thread_name_prefix="mine")
    asyncio.get_running_loop().set_default_executor(mine)
    names: list[str] = []
    async with Supervisor(signals={}):
        await asyncio.to_thread(lambda: names.append(threading.current_thread().name))
    assert names[0].startswith("mine")


async def test_each_climb_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """An event for each rung, with reason and cause, and nothing else at level INFO."""
    caplog.set_level(logging.INFO, "supervisor")
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        asyncio.get_running_loop().call_soon(sup.stop, "enough", Rung.DRAIN)
        await asyncio.sleep(LONG)
    assert await asyncio.to_thread(reporter.flush, 5)
    said = [(r.message, r.__dict__["reason"], r.__dict__["cause"]) for r in caplog.records]
    assert said == [("entered DRAIN", "enough", "request"), ("entered CANCEL", "enough", "idle")]


def test_a_block_that_spans_two_runs_of_a_loop() -> None:
    """Entered in one `run_until_complete` and stopped in the next, it ends as any."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_spans(loop))
    finally:
        loop.close()


async def _spans(loop: asyncio.AbstractEventLoop) -> None:
    sup = Supervisor(signals={"SIGUSR1": "CANCEL"}, ladder=PATIENT)
    await sup.__aenter__()
    sup.spawn(asyncio.sleep(LONG))
    signal.raise_signal(signal.SIGUSR1)
    assert (await sup.wait_stop()).signal is signal.SIGUSR1
    await sup.__aexit__(None, None, None)


# --- what it says --------------------------------------------------------------------------------


@pytest.mark.parametrize("is_slow", [False, True])
async def test_a_stop_that_is_over_at_once_is_not_told_of(
    monkeypatch: pytest.MonkeyPatch, *, is_slow: bool
) -> None:
    """What happens, and what the next Ctrl-C does, stands at a terminal while it is true."""
    said: list[str] = []
    monkeypatch.setattr(type(reporter), "has_reader", True)
    monkeypatch.setattr(reporter, "say", said.append)
    team = Stubborn() if is_slow else Talker()
    async with Supervisor(signals={"SIGUSR1": "CANCEL"}, ladder=PATIENT) as sup:
        run = asyncio.ensure_future(sup.stream(team))
        await team.is_working.wait()
        signal.raise_signal(signal.SIGUSR1)
        await sup.wait_stop()
        await asyncio.sleep(0.3)
        team.may_end.set()
        await run
    assert len(said) == is_slow
    assert all("cancelling 'talker'" in line for line in said)
