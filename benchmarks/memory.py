"""The memory that a run keeps per streamed chunk, by `tracemalloc`."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator

from autogen_core import CancellationToken

from benchmarks._bench import Streamer, result, team_of
from supervisor import Supervisor

SIZES = (2_000, 20_000)
PAUSE = 1e-7


async def _kept_at_end(events: AsyncIterator[object], chunks: int) -> float:
    """Return the megabytes that the run holds when its last chunk is read."""
    gc.collect()
    tracemalloc.start()
    count, kept = 0, 0.0
    async for _ in events:
        count += 1
        if count == chunks:
            gc.collect()
            kept = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    return kept


async def main() -> None:
    """Measure AutoGen alone with a token, and supervised."""
    async with Supervisor(signals={}) as sup:
        await sup.stream(team_of(Streamer(100, PAUSE)), "warm up")
        for chunks in SIZES:
            token = CancellationToken()
            stock = team_of(Streamer(chunks, PAUSE)).run_stream(task="x", cancellation_token=token)
            ours = aiter(sup.stream(team_of(Streamer(chunks, PAUSE)), "x"))
            for who, events in (("AutoGen alone with a token", stock), ("supervised", ours)):
                kept = await _kept_at_end(events, chunks)
                result(f"kept after {chunks:,} streamed chunks, {who}", f"{kept:.2f} MB")


if __name__ == "__main__":
    asyncio.run(main())
