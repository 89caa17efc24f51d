"""`supervise()`: one run with a block around it, which opens and closes by itself."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Mapping

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.ui import Console

import supervisor
from supervisor import Quarantined, Rung, SettingsError, Stopped, Supervisor, supervise
from supervisor._signals.registry import registry
from supervisor._supervisor.facade import parts_of
from supervisor.testing import ScriptedAgent
from tests.unit.supervisor.fakes import (
    PATIENT,
    Failing,
    Stubborn,
    Talker,
    VirtualProcess,
    in_virtual_time,
    over,
)

SIGUSR1: Mapping[signal.Signals | int | str, Rung | str] = {"SIGUSR1": "CANCEL"}


def _is_closed() -> bool:
    """Return whether no block hears signals here."""
    return not registry.is_in_use and signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


async def _assert_closed() -> None:
    """Check that it is closed now; and let its own task take its last step."""
    assert _is_closed()
    await asyncio.sleep(0)


def _words(result: TaskResult) -> list[str]:
    return [message.to_text() for message in result.messages]


async def test_awaited_it_gives_the_result() -> None:
    """The reader goes on behind the block: it finds the handlers as they were."""
    result = await supervise(ScriptedAgent("a", ["hello"]), "go", signals=SIGUSR1)
    assert _words(result) == ["go", "hello"]
    await _assert_closed()


async def test_iterated_it_ends_with_the_result() -> None:
    """The last item is the `TaskResult`, as of `run_stream`; the block is closed by then."""
    run = supervise(ScriptedAgent("a", ["hello"]), "go", signals=SIGUSR1)
    seen = [(type(event).__name__, _is_closed()) async for event in run]
    assert seen == [("TextMessage", False), ("TextMessage", False), ("TaskResult", True)]
    await _assert_closed()


async def test_console_shows_it() -> None:
    """AutoGen's `Console` takes it like any stream."""
    result = await Console(supervise(ScriptedAgent("a", ["hello"]), "go", signals=SIGUSR1))
    assert _words(result) == ["go", "hello"]
    await _assert_closed()


async def test_a_break_stops_the_run_and_closes_the_block() -> None:
    """Nobody has to close anything: the block is over once the run has settled."""
    team = Talker()
    run = supervise(team, signals=SIGUSR1)
    async for _ in run:
        break
    await _until_closed()
    assert run.stop_request is not None
    assert run.stop_request.reason == "Its reader went away"


async def test_a_dropped_iterator_does_the_same() -> None:
    """An iterator that is forgotten at any event stops the run, too."""
    events = aiter(supervise(Talker(), signals=SIGUSR1))
    await anext(events)
    del events
    await _until_closed()


async def _until_closed() -> None:
    async with asyncio.timeout(10):
        while not _is_closed():  # noqa: ASYNC110 - there is no event for what has gone
            await asyncio.sleep(0)
    await _assert_closed()


def test_the_end_of_the_loop_closes_it() -> None:
    """A loop that ends with a run in it waits until that has settled."""
    kept: list[object] = []

    async def main() -> None:
        run = supervise(Talker(), signals=SIGUSR1)
        events = aiter(run)
        await anext(events)
        kept.extend((run, events))

    asyncio.run(main())
    assert _is_closed()


async def test_a_cancelled_reader_gets_its_cancellation() -> None:
    """The run settles first, and the block is closed by then."""
    team = Talker()
    task = asyncio.create_task(supervise(team, signals=SIGUSR1))
    await team.is_working.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _assert_closed()


async def test_a_time_limit_of_its_own_ends_it() -> None:
    """`timeout` is a stop of the run, and gives a result."""
    result = await supervise(Talker(), signals=SIGUSR1, timeout=0)
    assert result.stop_reason == "Stopped after 0 s"
    await _assert_closed()


async def test_a_signal_ends_it_with_a_result() -> None:
    """One signal stops each of several runs, and each has a result that says so."""
    teams = [Talker(), Talker(), Talker()]
    runs = [asyncio.create_task(supervise(team, signals=SIGUSR1)) for team in teams]
    for team in teams:
        await team.is_working.wait()
    signal.raise_signal(signal.SIGUSR1)
    results = await asyncio.gather(*runs)
    assert [result.stop_reason for result in results] == ["Stopped by SIGUSR1"] * 3
    await _assert_closed()


async def test_a_failure_is_raised() -> None:
    """What the team raises comes out, behind the block."""
    team = Failing()
    team.may_end.set()
    with pytest.raises(LookupError, match="the team has failed"):
        await supervise(team, signals=SIGUSR1)
    await _assert_closed()


@pytest.mark.skipif(sys.platform == "win32", reason="no selector loop by default")
@pytest.mark.parametrize(("presses", "gap", "seconds"), [(1, 0.0, 3.0), (10, 0.4, 1.4)])
def test_what_refuses_is_quarantined(
    process: VirtualProcess,
    monkeypatch: pytest.MonkeyPatch,
    presses: int,
    gap: float,
    seconds: float,
) -> None:
    """However often Ctrl-C comes: the reader gets `Quarantined`, and the process goes on."""
    ends: list[object] = []
    for name in ("exit_now", "end_with_interpreter"):
        monkeypatch.setattr(f"supervisor._supervisor.process_end.{name}", ends.append)
    team = Stubborn("mule")
    taken: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for press in range(presses):
            loop.call_later(press * gap, process.signal, signal.SIGINT)
        with pytest.raises(Quarantined):
            await supervise(team, signals={"SIGINT": "CANCEL"})
        taken.append(loop.time() - begin)
        assert not process.members
        team.may_end.set()
        await over(team)

    in_virtual_time(main)
    assert [round(at, 2) for at in taken] == [seconds]
    assert ends == []


async def test_inside_a_block_it_is_part_of_that() -> None:
    """A stop of the block stops it; it opens none of its own."""
    team = Talker()
    results: list[TaskResult] = []
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        task = asyncio.create_task(supervise(team))
        await team.is_working.wait()
        assert not parts_of(sup).scope.nesting.children
        sup.stop("enough")
        results.append(await task)
    assert [result.stop_reason for result in results] == ["enough"]


async def test_with_settings_it_has_a_block_of_its_own_there() -> None:
    """A block inside that one, with these settings; a stop of the outer one stops it."""
    team = Talker()
    results: list[TaskResult] = []
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        task = asyncio.create_task(supervise(team, signals=SIGUSR1))
        await team.is_working.wait()
        assert len(parts_of(sup).scope.nesting.children) == 1
        sup.stop("enough")
        results.append(await task)
    assert [result.stop_reason for result in results] == ["enough"]


async def test_its_team_is_inside_its_block() -> None:
    """What an agent starts can find the block, and stop it."""

    class Stopping(Talker):
        async def work(self) -> None:
            supervisor.current().stop("from inside")
            await super().work()

    result = await supervise(Stopping(), signals=SIGUSR1)
    assert result.stop_reason == "from inside"
    await _assert_closed()


async def test_behind_it_there_is_no_block() -> None:
    """Its reader is in no block any more, nor in a closed one."""
    async for _ in supervise(ScriptedAgent("a", ["hello"]), "go", signals=SIGUSR1):
        pass
    with pytest.raises(supervisor.UsageError):
        supervisor.current()
    await _assert_closed()


def test_each_thread_has_its_own() -> None:
    """Runs in the loops of several threads, with a loop in the main thread or without."""
    results: list[list[str]] = []

    def work() -> None:
        results.append(_words(asyncio.run(supervise(ScriptedAgent("a", ["hello"]), "go"))))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [["go", "hello"]] * 3
    assert _is_closed()


def test_a_loop_by_hand_finds_it_closed() -> None:
    """`run_until_complete` is enough: nothing of it has to run afterwards."""
    loop = asyncio.new_event_loop()
    run = supervise(ScriptedAgent("a", ["hello"]), "go", signals=SIGUSR1)
    assert _words(loop.run_until_complete(run)) == ["go", "hello"]
    assert not asyncio.all_tasks(loop)
    loop.close()
    assert _is_closed()


def test_mistakes_are_seen_at_the_call() -> None:
    """What cannot be run, and what cannot be set, is an error before anything is started."""
    with pytest.raises(TypeError, match="no run_stream"):
        supervise(object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(SettingsError, match="timeout"):
        supervise(Talker(), timeout=-1)
    with pytest.raises(SettingsError, match="signals"):
        supervise(Talker(), signals={"SIGKILL": "DRAIN"})


async def test_in_a_block_that_is_stopped_it_is_refused() -> None:
    """It belongs to the block around it, and that begins nothing any more."""
    refused: list[str] = []
    async with Supervisor(signals={}) as sup:
        sup.stop("enough")
        try:
            await supervise(Talker())
        except Stopped as stopped:
            refused.append(str(stopped.request))
    assert refused == [str(sup.stop_request)]
