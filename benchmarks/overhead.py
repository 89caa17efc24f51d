"""What a streamed event costs more than with `team.run_stream`: paired runs, median ratio."""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable

from benchmarks._bench import LOOPS, Streamer, result, team_of
from supervisor import Supervisor

PAIRS = int(sys.argv[1]) if len(sys.argv) > 1 else 40
CHUNKS = 1_000
PAUSE = 1e-7  # a turn of the loop for each chunk, as with a model


async def _seconds(events: AsyncIterator[object]) -> float:
    gc.collect()
    begun = time.process_time()
    async for _ in events:
        pass
    return time.process_time() - begun


async def compare(pause: float) -> tuple[float, float]:
    """The median ratio of the pairs, and AutoGen's median seconds for an event."""
    ratios: list[float] = []
    stock: list[float] = []
    async with Supervisor(signals={}) as sup:
        for pair in range(PAIRS + 2):
            alone: Callable[[], AsyncIterator[object]] = lambda: team_of(  # noqa: E731
                Streamer(CHUNKS, pause)
            ).run_stream(task="x")
            ours: Callable[[], AsyncIterator[object]] = lambda: aiter(  # noqa: E731
                sup.stream(team_of(Streamer(CHUNKS, pause)), "x")
            )
            order = (alone, ours) if pair % 2 else (ours, alone)
            took = {way: await _seconds(way()) for way in order}
            if pair >= 2:  # the first ones warm up
                ratios.append(took[ours] / took[alone])
                stock.append(took[alone])
    return statistics.median(ratios), statistics.median(stock) / CHUNKS


def main() -> None:
    """Measure on both loops."""
    for name, factory in LOOPS.items():
        for kind, pause in (("streamed", PAUSE), ("burst", 0.0)):
            with asyncio.Runner(loop_factory=factory) as runner:
                ratio, each = runner.run(compare(pause))
            result(
                f"cost of a {kind} event, {name}",
                f"{(ratio - 1) * 100:+.1f} % (AutoGen alone {each * 1e6:.0f} us, {PAIRS} pairs)",
            )


if __name__ == "__main__":
    main()
