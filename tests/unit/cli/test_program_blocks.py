"""The blocks of a program that is run as it is, in a thread that is not the main one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from supervisor import Supervisor
from supervisor._cli.program.blocks import Block, Blocks
from supervisor._cli.program.entries import _until_stopped
from supervisor._cli.program.program_stop import ProgramStop
from supervisor._signals.registry import registry
from supervisor._supervisor import nesting
from tests.agents import Deaf


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Blocks:
    """Return those of a program that has no block in its main thread."""
    monkeypatch.setattr(nesting, "on_enter", None)
    return Blocks(ProgramStop(), is_limited=False)


def _in_a_thread(blocks: Blocks, body: Callable[[Block[None]], Coroutine[Any, Any, None]]) -> None:
    """Run a body in a block, on a loop of another thread."""

    def run() -> None:
        block = blocks.new()
        asyncio.run(block.run(body(block)))
        block.conclude()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_a_supervisor_of_the_programs_own_leaves_the_main_threads_handlers(
    blocks: Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block of its loop gives way, and what a signal calls in the main thread stays."""
    changed: list[object] = []
    monkeypatch.setattr(registry, "call_too", changed.append)
    still_open: list[bool] = []

    async def body(_block: Block[None]) -> None:
        async with Supervisor():
            still_open.append(blocks.request_stop("nobody hears it"))

    _in_a_thread(blocks, body)
    assert still_open == [False]
    assert changed == []


def test_a_block_with_a_run_at_work_does_not_give_way(blocks: Blocks) -> None:
    """The program enters a supervisor of its own meanwhile; the run is stopped all the same."""
    reasons: list[str] = []

    async def body(_block: Block[None]) -> None:
        deaf = Deaf()

        async def read() -> None:
            stream = blocks.stream(deaf, {"task": "Work"})
            assert stream is not None
            reasons.extend(
                [event.stop_reason async for event in stream if hasattr(event, "stop_reason")]
            )

        reading = asyncio.create_task(read())
        await deaf.is_working.wait()
        async with Supervisor():
            assert blocks.stream(deaf, {}) is None, "the program's own supervisor has this one"
            assert blocks.request_stop("enough")
            await asyncio.wait([reading])  # it goes on where the body is cancelled

    _in_a_thread(blocks, body)
    assert reasons == ["enough"]


def test_a_loop_that_runs_forever_ends_its_tasks_at_a_stop(blocks: Blocks) -> None:
    """Also where no run of a team gets a result."""
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    async def body(block: Block[None]) -> None:
        task = asyncio.create_task(wait())
        task.add_done_callback(lambda _: ended.append("done"))
        asyncio.get_running_loop().call_soon(blocks.request_stop, "enough")
        await _until_stopped(block)

    _in_a_thread(blocks, body)
    assert ended == ["cancelled", "done"]
