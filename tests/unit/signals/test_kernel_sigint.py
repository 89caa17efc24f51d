"""Our handler of SIGINT and those of a kernel, as they follow each other; with real handlers.

What makes the process a kernel is a fake of IPython. Real kernels are in tests/hosts.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from supervisor import Supervisor
from supervisor._reports.log import reporter
from supervisor._signals.kernel_sigint import kernel_sigint
from supervisor._signals.registry import registry
from supervisor._supervisor import block, notebook_block
from supervisor._supervisor.facade import parts_of
from supervisor.testing import ScriptedAgent

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


@pytest.fixture(autouse=True)
def _in_kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    found = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, found)


def _cell_handler() -> Callable[..., None]:
    """Return what ipykernel sets for a cell that awaits."""

    def handle_sigint(*_: Any) -> None: ...

    handle_sigint.__module__ = "ipykernel.ipkernel"
    return handle_sigint


def _watcher(look: Callable[[], None]) -> ScriptedAgent:
    def take_turn(*_: Any) -> str:
        look()
        return "Done."

    return ScriptedAgent("watcher", take_turn)


def _is_ours() -> bool:
    wakeup_fd = registry.wakeup_fd
    return wakeup_fd is not None and wakeup_fd.handlers.is_ours(signal.getsignal(signal.SIGINT))


async def test_ignored_at_idle_is_not_ignored_at_the_start() -> None:
    """A supervisor that is made while the kernel is idle handles SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    async with Supervisor():
        assert _is_ours()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


async def test_a_run_takes_the_place_of_a_cells_handler() -> None:
    """It has replaced ours, and stands again behind the block."""
    ours: list[bool] = []
    handler = _cell_handler()
    agent = _watcher(lambda: ours.append(_is_ours()))
    async with Supervisor() as sup:
        signal.signal(signal.SIGINT, handler)
        await sup.stream(agent, "Go")
    assert ours == [True]
    assert signal.getsignal(signal.SIGINT) is handler


async def test_a_handler_of_the_users_is_left_alone() -> None:
    """What a cell has set by itself is no handler of the kernel's."""
    ours: list[bool] = []
    agent = _watcher(lambda: ours.append(_is_ours()))

    def handle(*_: Any) -> None: ...

    async with Supervisor() as sup:
        signal.signal(signal.SIGINT, handle)
        await sup.stream(agent, "Go")
    assert ours == [False]
    assert signal.getsignal(signal.SIGINT) is handle


async def test_what_a_request_puts_back_after_we_have_left_is_taken_away() -> None:
    """A request that has found ours at idle puts it back: then "ignored" is due."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    async with Supervisor():
        found = signal.signal(signal.SIGINT, _cell_handler())  # the request begins
    assert not kernel_sigint.tidy()  # it is under way
    signal.signal(signal.SIGINT, found)  # and ends
    assert kernel_sigint.tidy()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


async def test_without_signals_it_is_left_to_the_kernel() -> None:
    """A supervisor that hears no signal replaces no handler of the kernel's."""
    handler = _cell_handler()
    signal.signal(signal.SIGINT, handler)
    found: list[Any] = []
    agent = _watcher(lambda: found.append(signal.getsignal(signal.SIGINT)))
    async with Supervisor(signals={}) as sup:
        await sup.stream(agent, "Go")
    assert found == [handler]


async def test_a_kernel_that_is_idle_again_does_not_ignore_it() -> None:
    """A run goes on behind its cell, so ours is put on top of "ignored" at the next look."""
    async with Supervisor():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        kernel_sigint.look()
        assert _is_ours()


async def test_a_request_under_way_is_looked_at_until_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it puts back at its end is taken away, though the block was left long before."""
    monkeypatch.setattr(notebook_block, "_LOOK_SECONDS", 0.0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    async with Supervisor():
        found = signal.signal(signal.SIGINT, _cell_handler())  # the request begins
    for _ in range(10):
        await asyncio.sleep(0)
    signal.signal(signal.SIGINT, found)  # and ends
    async with asyncio.timeout(5):
        while signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_between_two_cells_of_an_open_block_it_is_the_kernels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends a run in the background; where there is none, it is for the cell."""
    monkeypatch.setattr(sys, "ps1", "In: ", raising=False)
    handler = _cell_handler()
    signal.signal(signal.SIGINT, handler)
    is_for_us: list[bool] = []
    sup = Supervisor()
    listener = parts_of(sup).escalation
    agent = _watcher(lambda: is_for_us.append(_is_ours() and listener.is_running))
    await asyncio.create_task(sup.__aenter__())  # the first cell, which is over
    await sup.stream(agent, "Go")
    assert is_for_us == [True]
    assert not listener.is_running
    assert signal.getsignal(signal.SIGINT) is handler
    await sup.__aexit__(None, None, None)


async def test_a_thread_of_the_kernels_is_told_once_that_no_interrupt_reaches_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A block in a subshell, which runs in a thread, says at its first time what to do instead."""
    block._tell_deaf.cache_clear()

    async def open_blocks() -> None:
        for _ in range(2):
            async with Supervisor():
                pass

    await asyncio.to_thread(asyncio.run, open_blocks())
    assert await asyncio.to_thread(reporter.flush, 5)
    said = capfd.readouterr().err
    assert said.count("no interrupt reaches this thread") == 1, said
