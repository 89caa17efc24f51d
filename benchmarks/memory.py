"""What a run keeps in memory of what it has streamed, up to 100,000 chunks.

Each subject has a process of its own, which streams chunks to a reader that drops them. The figure
is by how much the process's resident memory has grown since the first chunks, after a collection of
garbage. It hardly moves from run to run, so each is asked once. Resident memory is what the system
counts; it does not shrink at once, and it moves in steps of some 100 kB. The agent itself keeps 8
bytes of each chunk, for its answer.

Subjects: `autogen` (`run_stream` with a `CancellationToken`) and `supervised`.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Final

import psutil
from autogen_core import CancellationToken

from benchmarks._record import Record, record
from benchmarks._script import Effort, ask, main
from benchmarks._teams import Streamer, team_of
from supervisor import Supervisor

NAME: Final = "benchmarks.memory"
SIZES: Final = (1_000, 10_000, 100_000)
WARM: Final = 100
PAUSE: Final = 1e-7
SUBJECTS: Final = ("supervised", "autogen")


def grown(subject: str, chunks: str) -> list[int]:
    """Return by how many bytes a process has grown at each size."""
    return asyncio.run(_grown(subject, int(chunks)))


async def _grown(subject: str, chunks: int) -> list[int]:
    team = team_of(Streamer(chunks + WARM, PAUSE))
    if subject == "autogen":
        token = CancellationToken()
        return await _read(team.run_stream(task="x", cancellation_token=token))
    async with Supervisor(signals={}) as sup:
        return await _read(aiter(sup.stream(team, "x")))
    raise AssertionError("the block went on to its return")


async def _read(events: AsyncIterator[object]) -> list[int]:
    count, base, found = 0, 0, list[int]()
    async for _ in events:
        count += 1
        if count == WARM:
            base = _resident()
        elif count - WARM in SIZES:
            found.append(_resident() - base)
    return found


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def measure(effort: Effort) -> Iterator[Record]:
    """Measure both."""
    sizes = SIZES[:2] if effort.is_quick else SIZES
    for subject in SUBJECTS:
        found = ask(NAME, "grown", subject, sizes[-1])
        for size, grown_by in zip(sizes, found, strict=True):
            yield record(("memory", str(size), subject, ""), [grown_by], unit="B")


if __name__ == "__main__":
    main(__name__, measure, {"grown": grown})
