"""Stop a burst of 20,000 chunks that never yields to the loop, and measure how long that takes."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time

from autogen_core import CancellationToken

from benchmarks._bench import LOOPS, Streamer, result, team_of
from supervisor import Supervisor

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
CHUNKS = 20_000


async def alone() -> float:
    """Run AutoGen alone, and cancel its token."""
    token, freed = CancellationToken(), list[float]()

    def cancel() -> None:  # the burst holds the loop: this runs when it is free
        freed.append(time.perf_counter())
        token.cancel()

    asyncio.get_running_loop().call_later(0.05, cancel)
    with contextlib.suppress(asyncio.CancelledError):
        async for _ in team_of(Streamer(CHUNKS)).run_stream(task="x", cancellation_token=token):
            pass
    return time.perf_counter() - freed[0]


async def supervised() -> float:
    """Run the same under a supervisor."""
    freed: list[float] = []

    async with Supervisor(signals={}) as sup:

        def stop() -> None:
            freed.append(time.perf_counter())
            sup.stop("enough")

        asyncio.get_running_loop().call_later(0.05, stop)
        await sup.stream(team_of(Streamer(CHUNKS)), "x")
        return time.perf_counter() - freed[0]
    raise AssertionError("the block went on to its return")


def main() -> None:
    """Measure on both loops."""
    for name, factory in LOOPS.items():
        for who, measure in (("AutoGen alone", alone), ("supervised", supervised)):
            with asyncio.Runner(loop_factory=factory) as runner:
                seconds = [runner.run(measure()) for _ in range(ROUNDS)]
            result(
                f"end of a burst of {CHUNKS:,} chunks, {who}, {name}",
                f"median {statistics.median(seconds):.3f} s, worst {max(seconds):.3f} s",
            )


if __name__ == "__main__":
    main()
