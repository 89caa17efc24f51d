"""A program that starts children, in each kind of host and in none."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from supervisor import Ladder, Supervisor, run
from tests.process.scenarios import loop_factory
from tests.process.server import tell
from tests.process.started_children import METHODS, StartedChild, start

_LADDER = Ladder(drain=9, cancel=9, abandon=9)  # long: nothing here is to be ended by time

Main = Callable[[Supervisor | None], Awaitable[None]]


def forks(*, host: str, loop: str, in_thread: bool, is_stopping: bool) -> None:
    """Start children of each kind and end them in the block, and one that lives on after it."""
    lasting: list[StartedChild] = []

    async def made(how: str) -> StartedChild:
        return await asyncio.to_thread(start, how) if in_thread else start(how)

    async def main(sup: Supervisor | None) -> None:
        if is_stopping and sup is not None:
            os.kill(os.getpid(), signal.SIGINT)
            await sup.wait_stop()
        before = sup and sup.rung
        for how in METHODS:
            child = await made(how)
            tell("child", how=how, state=child.state, status=child.end())
        lasting.append(await made("os.fork"))
        await asyncio.sleep(0.05)  # a byte that a child wrote to our wakeup fd would be here by now
        tell("parent", climbed=(sup and sup.rung) != before)

    _HOSTS[host](loop, main)
    tell("left", pid=lasting[0].pid)
    sys.stdin.read()  # until the test has looked
    tell("ended", status=lasting[0].end())


def _by_itself(loop: str, main: Main) -> None:
    _in_loop(loop, lambda: main(None))


def _as_block(loop: str, main: Main, *, guard: bool = False) -> None:
    async def block() -> None:
        async with Supervisor(ladder=_LADDER, guard=guard) as sup:
            await main(sup)

    _in_loop(loop, block)


def _under_run(loop: Any, main: Main) -> None:
    async def body(sup: Supervisor) -> None:
        _have_a_handler()
        await main(sup)

    try:
        run(body, loop=loop, ladder=_LADDER, stop_status=0)
    except SystemExit:  # of a stop by a signal
        return


def _in_loop(loop: str, main: Callable[[], Awaitable[None]]) -> None:
    """Run a loop without `asyncio.Runner`, whose handler would be one more than under `run`."""
    made = loop_factory(loop)()

    async def body() -> None:
        _have_a_handler()
        await main()

    made.run_until_complete(body())
    made.run_until_complete(made.shutdown_default_executor())
    made.close()


def _have_a_handler() -> None:
    """Add a handler of somebody else's: the loop's fd is the wakeup fd before ours."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, tell, "usr2")


_HOSTS: dict[str, Callable[[Any, Main], None]] = {
    "itself": _by_itself,
    "block": _as_block,
    "guard": lambda loop, main: _as_block(loop, main, guard=True),
    "run": _under_run,
}
