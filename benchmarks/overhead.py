"""The cost of a streamed event and of a short run, as a ratio to `run_stream` with a token.

AutoGen gets a `CancellationToken`, because without one a run cannot be stopped by AutoGen alone.
The ways are measured in turn within one process, by their processor time; the figures are medians.
In the rows of "AutoGen's path" the supervisor has `fast_path=False`.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from autogen_agentchat.agents import BaseChatAgent
from autogen_core import CancellationToken

from benchmarks._bench import LOOPS, Streamer, result, team_of
from supervisor import Supervisor
from supervisor.types import Runnable

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 12
PAUSE = 1e-7  # a step of the loop for each chunk, as with a model
CHUNKS = 600

Way = Callable[[Runnable], AsyncIterator[object]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case to measure.

    Args:
        name: Its name in the output.
        make: Makes the team or agent.
        runs: The number of runs in one measurement.
        units: The number of events, or of runs, over which the cost is divided.
    """

    name: str
    make: Callable[[], Runnable]
    runs: int = 1
    units: int = CHUNKS


def team(chunks: int, pause: float = PAUSE) -> Callable[[], Runnable]:
    """Return a team of one agent that streams."""
    return lambda: team_of(Streamer(chunks, pause))


def agent(chunks: int) -> Callable[[], BaseChatAgent]:
    """Return the agent alone."""
    return lambda: Streamer(chunks, 0.0)


CASES = (
    Case(name="a team's streamed event", make=team(CHUNKS)),
    Case(name="a team's event in a burst", make=team(CHUNKS, 0.0)),
    Case(name="a team's run of three chunks", make=team(3), runs=30, units=30),
    Case(name="a single agent's event", make=agent(4 * CHUNKS), units=4 * CHUNKS),
    Case(name="a single agent's run of three chunks", make=agent(3), runs=100, units=100),
)


async def seconds_of(case: Case, way: Way) -> float:
    """Return the processor time of a case for each of its units."""
    made = [case.make() for _ in range(case.runs)]
    gc.collect()
    begun = time.process_time()
    for each in made:
        async for _ in way(each):
            pass
    return (time.process_time() - begun) / case.units


async def compare(case: Case) -> dict[str, list[float]]:
    """Return the processor times for each way, one value a round."""
    took: dict[str, list[float]] = {}
    async with Supervisor(signals={}) as sup, Supervisor(signals={}, fast_path=False) as plain:
        ways: dict[str, Way] = {
            "AutoGen": lambda it: it.run_stream(task="x", cancellation_token=CancellationToken()),
            "supervised": lambda it: aiter(sup.stream(it, "x")),
            "AutoGen's path": lambda it: aiter(plain.stream(it, "x")),
        }
        order = list(ways)
        for number in range(ROUNDS + 1):
            order = order[1:] + order[:1]
            found = {name: await seconds_of(case, ways[name]) for name in order}
            if number:  # the first one warms up
                for name, seconds in found.items():
                    took.setdefault(name, []).append(seconds)
    return took


def figure(stock: Sequence[float], ours: Sequence[float]) -> str:
    """Return a ratio, and the difference in microseconds."""
    ratio = statistics.median(mine / bare for mine, bare in zip(ours, stock, strict=True))
    more = statistics.median(mine - bare for mine, bare in zip(ours, stock, strict=True))
    return f"{ratio:.2f} times AutoGen's ({more * 1e6:+.1f} us)"


def main() -> None:
    """Measure on both loops."""
    for loop, factory in LOOPS.items():
        for case in CASES:
            with asyncio.Runner(loop_factory=factory) as runner:
                took = runner.run(compare(case))
            stock = took["AutoGen"]
            ours, plain = figure(stock, took["supervised"]), figure(stock, took["AutoGen's path"])
            alone = f"AutoGen alone {statistics.median(stock) * 1e6:.0f} us"
            result(f"{case.name}, {loop}", f"{ours}; without the fast path {plain}; {alone}")


if __name__ == "__main__":
    main()
