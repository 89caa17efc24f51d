"""Fails if a figure that the documentation quotes is contradicted by a run.

    python -m benchmarks._check build/bench.json

A figure may differ by a third, in either direction: what has become much better is wrong on a page,
too. A difference below a floor does not count, since a small figure moves by more than a third from
run to run on the same machine. The floors are few, and each has its reason.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from benchmarks._quotes import Quote, disagreement, pages, quotes, value_of
from benchmarks._record import Record, digits, figure, read, records_of

TOLERANCE: Final = 1 / 3

FLOORS: Final = {
    # The longest beginning of an id decides. Seconds, or bytes, or times.
    "": 0.0,
    # How soon a thread gets the interpreter, or a processor, is up to 0.5 ms of each stop.
    "latency/": 0.5e-3,
    "many/1/": 0.5e-3,
    "many/10/": 0.5e-3,
    "start/block/": 0.2e-3,
    "blocks/": 0.2e-3,
    # The same in processes of their own, which have just begun.
    "stock/": 1.5e-3,
    # Starts and ends of processes wait for the disk and for each other.
    "web/": 0.2,
    "chaos/": 0.1,
    "handover/": 0.1,
    "processes/start/": 5e-3,
    # One event, one run and one request: their cost moves with the processor's own clock.
    "overhead/agent-event/": 0.5e-6,
    "overhead/agent-event/ratio/": 0.1,
    "overhead/agent-run/more/": 50e-6,
    "overhead/team-run/more/": 0.3e-3,
    "overhead/team-event/ratio/": 0.05,
    "telemetry/agent-run/": 20e-6,
    "telemetry/team-run/": 0.2e-3,
    "telemetry/team-event/": 2e-6,
    "request/": 2e-6,
    # A thread writes beside the turn; how much of that falls into the turn is chance.
    "checkpoints/": 0.5e-3,
    "checkpoints/late-": 10e-3,
    # Resident memory moves in steps.
    "memory/": 1e6,
    "blocks/memory/": 1e6,
    "processes/memory/": 1e6,
    "processes/own-memory/": 1e6,
}


def floor_of(name: str) -> float:
    """Return which difference does not count for a record."""
    longest = max((each for each in FLOORS if name.startswith(each)), key=len)
    return FLOORS[longest]


def contradiction(quote: Quote, records: Mapping[str, Record]) -> str:
    """Return how a run contradicts a quote; nothing if it does not."""
    found = records.get(quote.id)
    if found is None or quote.what in ("never", "note"):
        return disagreement(quote, records)
    value = value_of(found, quote.what)
    if value is None:
        return f"{quote.place}: {quote.text} is quoted, and {quote.id} has no end ({found.note})"
    difference = abs(value - quote.value)
    if difference <= max(TOLERANCE * abs(quote.value), floor_of(quote.id)):
        return ""
    by = f"{digits(value / quote.value)} times" if quote.value else "more than nothing"
    measured = figure(value, found.unit)
    return f"{quote.place}: {quote.text} is quoted, {measured} is measured, {by} ({quote.id})"


def contradictions(records: Mapping[str, Record]) -> Iterator[str]:
    """Yield what a run contradicts on any page."""
    yield from filter(None, (contradiction(quote, records) for quote in quotes(pages())))


def main() -> int:
    """Check a run; return the exit status."""
    path = Path(sys.argv[1])
    found = [*contradictions(records_of(read(path)))]
    count = len(quotes(pages()))
    print(*found, f"{count - len(found)} of {count} quoted figures agree with {path}", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
