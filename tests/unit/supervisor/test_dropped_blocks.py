"""Blocks whose loop was closed around them: signals go to whom they belong."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

import supervisor
from supervisor import Supervisor, UsageError, supervise
from supervisor._autogen import log_filter, quarantine, shared_runtimes
from supervisor._signals.registry import registry
from supervisor._supervisor import nesting
from supervisor._supervisor.facade import parts_of
from tests.unit.supervisor.fakes import Talker

_kept: list[Supervisor | AsyncIterator[object]] = []


async def _block() -> None:
    _kept.append(await Supervisor().__aenter__())


async def _block_that_never_exits() -> None:
    _kept.append(await Supervisor(exits=False).__aenter__())


async def _supervised() -> None:
    events = aiter(supervise(Talker()))
    _kept.append(events)
    await anext(events)


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    _kept.clear()
    # A run whose loop was closed around it is known for good; other tests look whether any is.
    quarantine._busy.clear()
    shared_runtimes._by_token.clear()
    log_filter._uses.clear()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("opened", [_block, _block_that_never_exits, _supervised])
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
