"""A fleet on one machine: a PostgreSQL, three workers that are stopped and killed, and their runs.

.venv/bin/python -m examples.fleet.one_machine

Nothing but PostgreSQL's programs and this package with the extra `fleet` is needed, no container.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from examples.fleet.postgres_server import PostgresServer
from examples.teams import counters
from supervisor import checkpoints
from supervisor.checkpoints import RunInfo, RunStatus, StoredRuns
from supervisor.integrations.fleet import submit

ROOT: Final = Path(__file__).parents[2]
LEASE: Final = "2"  # seconds until a killed worker counts as dead
RUNS: Final = ("ada", "bob", "cyd")
LOOK_SECONDS: Final = 0.1


class Fleet:
    """Workers, each a process of its own.

    Args:
        url: The URL of their store.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = itertools.count(1)
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start one more."""
        name = f"worker {next(self._numbers)}"
        words = ["work", "examples.fleet.one_machine:make_team", "--store", self._url]
        self._workers[name] = subprocess.Popen(
            [sys.executable, "-m", "supervisor", *words, "--concurrency", "2", "--lease", LEASE],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is none for it
        )
        print(f"-- {name} is started", flush=True)

    def end(self, owner: str | None, number: signal.Signals) -> None:
        """Send the worker a signal that a store's owner is."""
        name = self.name_of(owner)
        print(f"-- {name} gets {number.name}", flush=True)
        self._workers[name].send_signal(number)

    def name_of(self, owner: str | None) -> str:
        """Return the worker that a store's owner is."""
        is_its = (name for name, w in self._workers.items() if f"/{w.pid}/" in (owner or ""))
        return next(is_its, "nobody")

    def close(self) -> None:
        """End all."""
        for worker in self._workers.values():
            worker.terminate()
        for worker in self._workers.values():
            worker.wait(timeout=30)


def make_team() -> object:
    """Make the team of each run: two agents that count, a turn in half a second."""
    return counters(pause=0.1)


class Watch:
    """Prints what changes.

    Args:
        runs: The store's.
        fleet: The workers.
    """

    def __init__(self, runs: StoredRuns, fleet: Fleet) -> None:
        self._runs = runs
        self._fleet = fleet
        self._shown: dict[str, str] = {}

    def until(self, run_id: str, turn: int) -> str | None:
        """Print changes until a run has finished so many turns; return who has it then."""
        while (info := self._look()[run_id]).turn < turn or info.owner is None:
            time.sleep(LOOK_SECONDS)
        return info.owner

    def until_all_end(self) -> None:
        """Print changes until all runs are completed."""
        while any(info.status != RunStatus.COMPLETED for info in self._look().values()):
            time.sleep(LOOK_SECONDS)

    def _look(self) -> dict[str, RunInfo]:
        infos = {info.id: info for info in self._runs.list()}
        for name, info in sorted(infos.items()):
            is_running = info.status is RunStatus.RUNNING
            who = f"with {self._fleet.name_of(info.owner)}" if is_running else str(info.status)
            line = f"{name}: turn {info.turn}, {who}"
            if self._shown.get(name) != line:
                self._shown[name] = line
                print(line, flush=True)
        return infos


def main() -> None:
    """Show it."""
    with PostgresServer() as server:
        fleet = Fleet(server.url)
        try:
            for name in RUNS:
                submit(server.url, counters(), "Count from 1 to 20", name)
            for _ in range(3):
                fleet.start()
            with checkpoints.open(server.url) as runs:
                watch = Watch(runs, fleet)
                fleet.end(watch.until("ada", 2), signal.SIGTERM)
                fleet.end(watch.until("bob", 4), signal.SIGKILL)
                fleet.start()
                watch.until_all_end()
        finally:
            fleet.close()


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
