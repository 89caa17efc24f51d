"""What telemetry costs a run and an event: where no provider is set, and where one is.

The ways take turns within one process, in another order each round; the figure is processor time.

Ways: `without` (the calls that tell of a run's beginning and end are replaced by nothing);
`no-provider` (as the package is, with the API loaded, as AutoGen loads it); `providers` (of the
SDK, for spans and metrics, whose exporters drop everything. AutoGen then makes its own spans too,
and the fast path leaves nothing out). `more-…` is the difference to `without`, in pairs.

Cases: `agent-run` and `team-run` (a run of three chunks), and `team-event` (one streamed chunk).
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from autogen_agentchat.agents import BaseChatAgent
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from benchmarks._record import Record, record
from benchmarks._script import Effort, main, rotated
from benchmarks._teams import Streamer, team_of
from supervisor import Supervisor
from supervisor._core import execution
from supervisor.types import Runnable

ROUNDS = 8
CHUNKS = 1000


def _nothing(*_: object, **__: object) -> None:
    """Tell nothing."""


@contextmanager
def _replaced(name_of_module: str, **names: Any) -> Generator[None]:
    module = sys.modules[name_of_module]
    found = {name: getattr(module, name) for name in names}
    for name, value in names.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in found.items():
            setattr(module, name, value)


@contextmanager
def without_the_code() -> Generator[None]:
    """Run as if the package had no telemetry."""
    with _replaced(
        execution.__name__, tell_begin=_nothing, tell_end=_nothing, tell_settled=_nothing
    ):
        yield


@contextmanager
def no_provider() -> Generator[None]:
    """Run as the package is."""
    yield


TRACERS, METERS = TracerProvider(), MeterProvider([InMemoryMetricReader()])


@contextmanager
def with_providers() -> Generator[None]:
    """Run with providers; not set for good, since the ways take turns."""
    with (
        _replaced("opentelemetry.trace", _TRACER_PROVIDER=TRACERS),
        _replaced("opentelemetry.metrics._internal", _METER_PROVIDER=METERS),
    ):
        yield


WAYS = {
    "without": without_the_code,
    "no-provider": no_provider,
    "providers": with_providers,
}


def _agent() -> BaseChatAgent:
    return Streamer(3, 0.0)


CASES: dict[str, tuple[Callable[[], Runnable], int, int]] = {
    # What is run; how many runs in one measurement; the events of each, 0 to divide by runs.
    "agent-run": (_agent, 200, 0),
    "team-run": (lambda: team_of(Streamer(3, 0.0)), 30, 0),
    "team-event": (lambda: team_of(Streamer(CHUNKS, 1e-7)), 1, CHUNKS),
}


async def seconds_of(sup: Supervisor, name: str) -> float:
    """Return the processor time of a case for each run, or each event."""
    make, runs, events = CASES[name]
    made = [make() for _ in range(runs)]
    gc.collect()
    begun = time.process_time()
    for each in made:
        async for _ in sup.stream(each, "x"):
            pass
    return (time.process_time() - begun) / (runs * (events or 1))


async def compare(name: str, rounds: int) -> dict[str, list[float]]:
    """Return the processor times of each way, one value a round."""
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    async with Supervisor(signals={}) as sup:
        for number in range(rounds + 1):
            for way in rotated([*WAYS], number):
                with WAYS[way]():
                    seconds = await seconds_of(sup, name)
                if number:  # the first one warms up
                    took[way].append(seconds)
    return took


def measure(effort: Effort) -> Iterator[Record]:
    """Measure each case."""
    for name in CASES:
        took = asyncio.run(compare(name, effort.rounds(ROUNDS)))
        for way, seconds in took.items():
            yield record(("telemetry", name, way, ""), seconds)
            if way != "without":
                pairs = zip(took["without"], seconds, strict=True)
                more = [ours - bare for bare, ours in pairs]
                yield record(("telemetry", name, f"more-{way}", ""), more)


if __name__ == "__main__":
    main(__name__, measure)
