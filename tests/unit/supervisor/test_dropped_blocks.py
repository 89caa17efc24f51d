"""Blocks whose loop was closed around them: signals go to whom they belong."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import supervisor
from supervisor import Run, Supervisor, UsageError, supervise
from supervisor._autogen import log_filter, quarantine, shared_runtimes
from supervisor._core.run_state import Phase
from supervisor._reports.telemetry.runs import unended
from supervisor._signals.registry import registry
from supervisor._supervisor import nesting
from supervisor._supervisor.facade import parts_of
from supervisor.checkpoints import RunStatus
from supervisor.testing import ScriptedAgent
from tests.unit.supervisor.fakes import Talker
from tests.unit.supervisor.outages import faulty_store

_kept: list[Supervisor | AsyncIterator[object]] = []
_tasks: list[asyncio.Future[Any]] = []


async def _block() -> None:
    _kept.append(await Supervisor().__aenter__())


async def _two_blocks() -> None:
    for _ in range(2):
        await _block()


async def _block_that_never_exits() -> None:
    _kept.append(await Supervisor(exits=False).__aenter__())


async def _supervised() -> None:
    events = aiter(supervise(Talker()))
    _kept.append(events)
    await anext(events)


def _give_back() -> None:
    (kept,) = _kept
    assert isinstance(kept, Supervisor)
    parts_of(kept).block.give_back()
    parts_of(kept).keeping.close()


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    _kept.clear()
    _tasks.clear()
    _drop_runs()
    gc.collect()  # tasks of a closed loop complain here, and in no other test


def _drop_runs() -> None:
    # A run whose loop was closed around it is known until the next one; other tests look for any.
    # In a function of its own: a variable of the fixture would keep the last of them.
    for run in list(quarantine._keys):
        run.drop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("opened", [_block, _two_blocks, _block_that_never_exits, _supervised])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_goes_to_the_handler_that_was_found(
    opened: Callable[[], Coroutine[Any, Any, None]], number: int
) -> None:
    """It is neither swallowed nor the beginning of a stop, and all is put back."""
    heard: list[int] = []
    found = signal.signal(number, lambda number, _: heard.append(number))
    ours = signal.getsignal(number)
    try:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(opened())
        loop.close()
        signal.raise_signal(number)
        assert heard == [number]
        assert signal.getsignal(number) is ours
        assert not registry.is_in_use
    finally:
        signal.signal(number, found)


async def _run_once() -> None:
    async with Supervisor(signals={}) as sup:
        await sup.stream(ScriptedAgent("writer"), "Write")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_next_run_ends_those_whose_loop_was_closed() -> None:
    """They count no more as at work, and a run of the same kind begins as ever."""

    async def begin() -> Run:
        sup = await Supervisor(signals={}).__aenter__()
        talker = Talker()
        run = sup.stream(talker)
        _tasks.append(asyncio.ensure_future(run))
        await talker.is_working.wait()
        _kept.append(sup)
        return run

    loop = asyncio.new_event_loop()
    before = {run.number for run in unended()}
    dropped = loop.run_until_complete(begin())
    loop.close()
    [number] = {run.number for run in unended()} - before
    asyncio.run(_run_once())
    assert number not in {run.number for run in unended()}
    assert dropped.phase is Phase.DONE
    _give_back()
    assert not quarantine._busy
    assert not shared_runtimes._by_token
    assert not log_filter._uses


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_kept_run_whose_loop_was_closed_is_given_up(tmp_path: Path) -> None:
    """It is at rest soon, and goes on in another loop of the same process."""
    url = f"sqlite:///{tmp_path}/runs.db"

    async def begin() -> None:
        sup = await Supervisor(signals={}, checkpoints=url).__aenter__()
        talker = Talker()
        run = sup.stream(talker, "Talk", id="talk")
        _tasks.append(asyncio.ensure_future(run))
        await talker.is_working.wait()
        _kept.append(sup)

    async def go_on() -> RunStatus:
        talker = Talker()
        talker.may_end.set()
        async with Supervisor(signals={}, checkpoints=url) as sup:
            await sup.stream(talker, "Talk", id="talk", wait=30)
            [info] = await sup.runs.list()
        return info.status

    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    loop.close()
    assert asyncio.run(go_on()) is RunStatus.COMPLETED
    _give_back()


async def test_a_run_in_another_loop_leaves_those_of_an_open_one() -> None:
    """A run in a loop of another thread ends none whose loop is there."""
    talker = Talker()
    async with Supervisor(signals={}) as sup:
        run = asyncio.ensure_future(sup.stream(talker))
        await talker.is_working.wait()
        await asyncio.to_thread(asyncio.run, _run_once())
        talker.may_end.set()
        assert (await run).stop_reason == "let go"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_next_run_ends_one_whose_end_was_being_written(tmp_path: Path) -> None:
    """Nothing of it is at work any more, and its store does not answer: it is done."""
    store, faults = faulty_store(tmp_path / "runs.db")
    faults.may_commit.clear()

    async def begin() -> Run:
        sup = await Supervisor(signals={}, checkpoints=store).__aenter__()
        run = sup.stream(ScriptedAgent("writer", ["One"]), "Talk", id="talk")
        _tasks.append(asyncio.ensure_future(run))
        while run.phase is not Phase.STOPPING:  # noqa: ASYNC110 - it is told to nobody
            await asyncio.sleep(0.001)
        _kept.append(sup)
        return run

    loop = asyncio.new_event_loop()
    dropped = loop.run_until_complete(begin())
    loop.close()
    asyncio.run(_run_once())
    assert dropped.phase is Phase.DONE
    assert not quarantine._busy
    faults.may_commit.set()
    _give_back()


def test_ctrl_c_is_a_keyboard_interrupt() -> None:
    """As anywhere without a supervisor, Ctrl-C raises where the program is."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_block())
    loop.close()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert not registry.is_in_use


def test_the_process_is_not_ended_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor has the end of the interpreter a deadline."""
    ends: list[object] = []
    for name in ("exit_now", "end_with_interpreter"):
        monkeypatch.setattr(f"supervisor._supervisor.process_end.{name}", ends.append)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_block())
    loop.close()
    (kept,) = _kept
    assert isinstance(kept, Supervisor)
    parts_of(kept).end.exit()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert ends == []


def test_nothing_is_inside_it_any_more() -> None:
    """A block in a new loop is the outermost, though its context names one that was dropped."""

    async def main() -> None:
        nesting.use(scope)
        with pytest.raises(UsageError):
            supervisor.current()
        async with Supervisor(signals={}) as sup:
            found.append(parts_of(sup).scope.nesting.around)

    found: list[object] = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_block())
    loop.close()
    (kept,) = _kept
    assert isinstance(kept, Supervisor)
    scope = parts_of(kept).scope
    asyncio.run(main())
    assert found == [None]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_at_a_prompt_ctrl_c_is_for_what_runs_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that is kept open over several inputs has no part in code outside its loop."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_block())
    (kept,) = _kept
    assert isinstance(kept, Supervisor)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)

    async def leave() -> str | None:
        team = Talker()
        run = asyncio.ensure_future(kept.stream(team))
        await team.is_working.wait()
        signal.raise_signal(signal.SIGINT)
        result = await run
        await kept.__aexit__(None, None, None)
        return result.stop_reason

    assert kept.stop_request is None
    assert loop.run_until_complete(leave()) == "Stopped by SIGINT"
    loop.close()
    assert not registry.is_in_use
