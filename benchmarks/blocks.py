"""Whether anything is left of a block: 10,000 of them in a row, in one process.

Each loop has a fresh process. After 100 blocks that warm up, 10,000 are entered and left; the
figures are the time of each, and what the process has more of afterwards: resident memory, open
files, and threads.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from typing import Final

import psutil

from benchmarks._record import Record, record
from benchmarks._script import Effort, ask, main
from benchmarks._teams import LOOPS
from supervisor import Supervisor

NAME: Final = "benchmarks.blocks"
BLOCKS: Final = 10_000
WARM: Final = 100
PART: Final = 1_000


async def _enter(count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        async with Supervisor():
            pass
    return (time.perf_counter() - begun) / count


async def _measure(count: int) -> dict[str, list[float]]:
    await _enter(WARM)
    before = await _state()
    parts = [await _enter(min(PART, count)) for _ in range(max(1, count // PART))]
    after = await _state()
    grown = [[late - early] for early, late in zip(before, after, strict=True)]
    return dict(zip(("memory", "files", "threads"), grown, strict=True), seconds=parts)


async def _state() -> tuple[float, float, float]:
    await asyncio.sleep(0.2)  # the thread of the last watchdog ends
    gc.collect()
    process = psutil.Process()
    return process.memory_info().rss, process.num_fds(), process.num_threads()


def left(loop: str, count: str) -> dict[str, list[float]]:
    """Return the seconds of each block, by the thousand, and what is left of all of them."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(_measure(int(count)))


def measure(effort: Effort) -> Iterator[Record]:
    """Measure on both loops."""
    units = {"seconds": "s", "memory": "B", "files": "count", "threads": "count"}
    for loop in LOOPS:
        found = ask(NAME, "left", loop, 500 if effort.is_quick else BLOCKS)
        for case, unit in units.items():
            yield record(("blocks", case, "supervised", loop), found[case], unit=unit)


if __name__ == "__main__":
    main(__name__, measure, {"left": left})
