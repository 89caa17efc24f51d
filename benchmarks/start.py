"""What it takes to begin: the import, and the entry and exit of an empty block.

Imports are measured in fresh processes, by the processor time of the whole process; compiled files
exist already. The blocks are entered and left within one process, on each loop. All take turns.

Imports: `base` is `import asyncio, structlog`, which a program that logs has anyhow. `supervised`
is `from supervisor import Supervisor, run`. `autogen` is `import autogen_agentchat.teams`, which a
program loads as well once it makes a team. `ratio` is `supervised` divided by `base`, in pairs.

Blocks: `floor` is `loop.add_signal_handler` and `remove_signal_handler` for SIGINT and SIGTERM;
`anyio` is `open_signal_receiver` for both; `supervised` is `async with Supervisor()`, which starts
and ends a thread; `no-signals` is `async with Supervisor(signals={})`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import Final

import anyio

from benchmarks._record import Record, record
from benchmarks._script import Effort, main, rotated
from benchmarks._teams import LOOPS
from supervisor import Supervisor

ROUNDS: Final = 200
IMPORT_ROUNDS: Final = 15
IMPORTS: Final = {
    "base": "import asyncio, structlog",
    "supervised": "from supervisor import Supervisor, run",
    "autogen": "import autogen_agentchat.teams",
}
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def processor_seconds(code: str, environ: Mapping[str, str]) -> float:
    """Return the processor time of a process that runs this code."""
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], environ)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, code
    return usage.ru_utime + usage.ru_stime


def imports(rounds: int) -> dict[str, list[float]]:
    """Return the processor times of each import."""
    took: dict[str, list[float]] = {name: [] for name in IMPORTS}
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(rounds + 1):
            for name in rotated([*IMPORTS], number):
                seconds = processor_seconds(IMPORTS[name], environ)
                if number:  # the first round compiles
                    took[name].append(seconds)
    return took


@contextlib.asynccontextmanager
async def floor() -> AsyncGenerator[None]:
    """Handle signals as a bare loop does."""
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, int)
    yield
    for number in _SIGNALS:
        loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def receiver() -> AsyncGenerator[None]:
    """Handle signals as anyio does."""
    with anyio.open_signal_receiver(*_SIGNALS):
        yield


Block = Callable[[], contextlib.AbstractAsyncContextManager[object]]
BLOCKS: Final[dict[str, Block]] = {
    "floor": floor,
    "anyio": receiver,
    "supervised": Supervisor,
    "no-signals": lambda: Supervisor(signals={}),
}


async def blocks(rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each entry and exit."""
    took: dict[str, list[float]] = {name: [] for name in BLOCKS}
    for number in range(rounds + 5):
        for name in rotated([*BLOCKS], number):
            begun = time.perf_counter()
            async with BLOCKS[name]():
                pass
            seconds = time.perf_counter() - begun
            await asyncio.sleep(0.001)  # the thread of the watchdog ends
            if number >= 5:  # the first rounds warm up
                took[name].append(seconds)
    return took


def measure(effort: Effort) -> Iterator[Record]:
    """Measure the imports, and the blocks on both loops."""
    imported = imports(effort.rounds(IMPORT_ROUNDS))
    for name, seconds in imported.items():
        yield record(("start", "import", name, ""), seconds)
    pairs = zip(imported["base"], imported["supervised"], strict=True)
    ratios = [ours / base for base, ours in pairs]
    yield record(("start", "import", "ratio", ""), ratios, unit="times")
    for loop, factory in LOOPS.items():
        with asyncio.Runner(loop_factory=factory) as runner:
            took = runner.run(blocks(effort.rounds(ROUNDS)))
        for name, seconds in took.items():
            yield record(("start", "block", name, loop), seconds)


if __name__ == "__main__":
    main(__name__, measure)
