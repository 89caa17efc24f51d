"""The block: entered once, left when nothing is at work, and cancellations from outside."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from supervisor import SettingsError, Stopped, Supervisor, UsageError
from supervisor._process.threads import DaemonThreadPool
from supervisor._supervisor.facade import parts_of
from tests.unit.supervisor.fakes import (
    LONG,
    PATIENT,
    Talker,
    cancelling,
    settles_its_count,
    wait_for,
)


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


async def test_awaited_in_another_thread() -> None:
    """A run that another thread awaits is refused with a reason, and its own loop is left alone."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)  # refuses a call from another thread

    async with Supervisor(signals={}) as sup:
        run = sup.stream(Talker())

        async def elsewhere() -> None:
            await run

        async def when_the_block_is_left() -> None:
            for _ in range(10):
                await asyncio.sleep(0)
            with pytest.raises(UsageError, match="belongs to the event loop"):
                await asyncio.to_thread(asyncio.run, elsewhere())

        sup.spawn(when_the_block_is_left())


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


@pytest.mark.parametrize("times", [1, 2])
async def test_a_cancellation_while_leaving_comes_out_after_settling(times: int) -> None:
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
    for _ in range(times):
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


async def test_a_block_that_could_not_be_entered_starts_nothing(tmp_path: Path) -> None:
    """What is started in it would be waited for by nobody."""
    sup = Supervisor(ready_file=tmp_path / "no folder" / "ready")
    with pytest.raises(SettingsError, match="ready_file"):
        await sup.__aenter__()
    with pytest.raises(UsageError, match="this one is left"):
        await sup.stream(Talker("a"), "go")


async def test_it_is_withdrawn_only_while_nothing_is_at_work() -> None:
    """A block with a run, or with a stop, is not closed from inside."""
    team = Talker()
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        block = parts_of(sup).block
        run = asyncio.ensure_future(sup.stream(team))
        await team.is_working.wait()
        assert not block.withdraw()
        team.may_end.set()
        assert (await run).stop_reason == "let go"
        sup.stop("enough")
        assert not block.withdraw()
    async with Supervisor(signals={}) as idle:
        assert parts_of(idle).block.withdraw()
        with pytest.raises(UsageError):
            await idle.stream(Talker())


async def test_it_is_left_once_what_it_has_started_has_ended() -> None:
    """With `children="own"` a stop by a signal leaves no process, in somebody's loop too."""
    async with Supervisor(signals={"SIGUSR1": "CANCEL"}, children="own") as sup:
        child = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
        signal.raise_signal(signal.SIGUSR1)
        await sup.wait_stop()
        assert child.returncode is None
    async with asyncio.timeout(5):
        assert await child.wait() == -signal.SIGTERM


def test_a_coroutine_that_is_dropped_puts_everything_back() -> None:
    """Closed outside of its task it can wait for nothing, and hears signals no more."""
    found = signal.getsignal(signal.SIGUSR1)

    async def body() -> None:
        async with Supervisor(signals={"SIGUSR1": "DRAIN"}):
            await asyncio.sleep(LONG)

    coro, loop = body(), asyncio.new_event_loop()
    task = loop.create_task(coro)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert signal.getsignal(signal.SIGUSR1) is not found
    coro.close()
    assert signal.getsignal(signal.SIGUSR1) is found
    vars_of_task: Any = task
    vars_of_task._log_destroy_pending = False
    loop.close()
