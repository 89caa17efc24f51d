"""From the end of one worker to the next turn of its run in another process.

Two workers of a fleet on one PostgreSQL, each a process of its own: the one has the run and ends,
the other one waits. The figure is the time from the signal to the first turn that the other one
takes; a turn of this team takes 50 ms, and a stopped worker finishes its own first.

Cases: `stopped` (SIGTERM: the run is handed over) and `killed` (SIGKILL: the other one finds out by
the lease of 2 s). The server is a PostgreSQL that is started for this, and does not wait for its
disk.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Final

from benchmarks._record import Record, record
from benchmarks._script import Effort, main
from examples.fleet.postgres_server import PostgresServer
from tests.checkpoints.fleets import Fleet, fleet
from tests.process.harness import Server

CASES: Final = {"stopped": (signal.SIGTERM, 15), "killed": (signal.SIGKILL, 5)}


def hand_overs(workers: Fleet, number: int, count: int) -> Iterator[float]:
    """Yield the seconds of so many hand-overs of one run."""
    old = workers.start()
    workers.submit("long")
    for _ in range(count):
        old.until("ends")
        new = workers.start()
        at = old.signal(number)
        yield float(new.until("begins")["at"]) - at
        old.wait()
        old = new
    old.signal(signal.SIGTERM)
    old.wait()


def measure(effort: Effort) -> Iterator[Record]:
    """Measure both cases, each on a database of its own."""
    with PostgresServer() as postgres, Server() as server:
        for case, (number, rounds) in CASES.items():
            with fleet(server, postgres.new_database()) as workers:
                took = [*hand_overs(workers, number, effort.rounds(rounds))]
            yield record(("handover", case, "supervised", ""), took)


if __name__ == "__main__":
    main(__name__, measure)
