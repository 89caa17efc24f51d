"""What an event and a run cost: the processor time, beside `run_stream` of AutoGen alone.

The subjects take turns within one process, in another order each round, with a collection of
garbage before each. AutoGen gets a `CancellationToken`, because without one a run cannot be stopped
by AutoGen alone. The processor time of the whole process is divided by the events, or the runs.

Cases:

- `team-event`: a team of one agent, which gives way to the loop after each of 600 chunks.
- `team-burst`: the same, without giving way.
- `team-run`: runs of three chunks, one after the other.
- `agent-event` and `agent-run`: an agent without a team.

Subjects: `autogen`; `supervised`; `no-fast-path` (a `Supervisor` with `fast_path=False`). Two more
records compare the rounds in pairs: `ratio` is `supervised` divided by `autogen`, and `more` is the
difference. The supervisor is open before, and its runs are not kept.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from autogen_agentchat.agents import BaseChatAgent
from autogen_core import CancellationToken

from benchmarks._record import Record, record
from benchmarks._script import Effort, main, rotated
from benchmarks._teams import LOOPS, Streamer, team_of
from supervisor import Supervisor
from supervisor.types import Runnable

ROUNDS: Final = 12
PAUSE: Final = 1e-7  # a step of the loop for each chunk, as with a model
CHUNKS: Final = 600

Way = Callable[[Runnable], AsyncIterator[object]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case to measure.

    Args:
        make: Makes the team or agent.
        runs: The number of runs in one measurement.
        units: The number of events, or of runs, by which the time is divided.
    """

    make: Callable[[], Runnable]
    runs: int = 1
    units: int = CHUNKS


def team(chunks: int, pause: float = PAUSE) -> Callable[[], Runnable]:
    """Return what makes a team of one agent that streams."""
    return lambda: team_of(Streamer(chunks, pause))


def agent(chunks: int) -> Callable[[], BaseChatAgent]:
    """Return what makes the agent alone."""
    return lambda: Streamer(chunks, 0.0)


CASES: Final = {
    "team-event": Case(make=team(CHUNKS)),
    "team-burst": Case(make=team(CHUNKS, 0.0)),
    "team-run": Case(make=team(3), runs=30, units=30),
    "agent-event": Case(make=agent(4 * CHUNKS), units=4 * CHUNKS),
    "agent-run": Case(make=agent(3), runs=100, units=100),
}


async def seconds_of(case: Case, way: Way) -> float:
    """Return the processor time of a case for each of its units."""
    made = [case.make() for _ in range(case.runs)]
    gc.collect()
    begun = time.process_time()
    for each in made:
        async for _ in way(each):
            pass
    return (time.process_time() - begun) / case.units


async def compare(case: Case, rounds: int) -> dict[str, list[float]]:
    """Return the processor times of each subject, one value a round."""
    async with Supervisor(signals={}) as sup, Supervisor(signals={}, fast_path=False) as plain:
        ways: dict[str, Way] = {
            "autogen": lambda it: it.run_stream(task="x", cancellation_token=CancellationToken()),
            "supervised": lambda it: aiter(sup.stream(it, "x")),
            "no-fast-path": lambda it: aiter(plain.stream(it, "x")),
        }
        took: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name in rotated([*ways], number):
                seconds = await seconds_of(case, ways[name])
                if number:  # the first round warms up
                    took[name].append(seconds)
        return took
    raise AssertionError("the block went on to its return")


def measure(effort: Effort) -> Iterator[Record]:
    """Measure each case on both loops."""
    for name, case in CASES.items():
        for loop, factory in LOOPS.items():
            with asyncio.Runner(loop_factory=factory) as runner:
                took = runner.run(compare(case, effort.rounds(ROUNDS)))
            for subject, seconds in took.items():
                yield record(("overhead", name, subject, loop), seconds)
            pairs = [*zip(took["autogen"], took["supervised"], strict=True)]
            ratios = [ours / alone for alone, ours in pairs]
            yield record(("overhead", name, "ratio", loop), ratios, unit="times")
            more = [ours - alone for alone, ours in pairs]
            yield record(("overhead", name, "more", loop), more)


if __name__ == "__main__":
    main(__name__, measure)
