"""From a signal to the end of a process, whatever it is doing, ours and its peers.

A part of the chaos matrix, of which docs/chaos.md says what each state and each host is: one
SIGTERM in every state, one SIGINT in three of them, not as PID 1. Each is a fresh process. The
figure is the time from the signal to its end; without one it was still there after 8 s. The note
has its exit status (minus the signal that it died by), "dirty" if its own clean-up did not run, and
how many of its child processes have outlived it.

Ours has one second for each rung, so that DRAIN takes one second after SIGTERM where the work does
not end; the peers have one second of grace. Several run at once, because most of them sleep.

Cases: `STATE-term` and `STATE-int`. Subjects: `supervised` (`supervisor.run` with a team),
`asyncio` (without handlers), `autogen` (handlers that cancel the token), `aiorun`, `anyio`,
`uvicorn`, `hypercorn`.
"""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from benchmarks._record import Record, record
from benchmarks._script import Effort, main
from tests.chaos.cells import Cell, Outcome, run
from tests.chaos.hosts import HOSTS, OURS
from tests.chaos.states import STATES

SUBJECTS: Final = {OURS: "supervised", "AutoGen, token": "autogen"}
WITH_SIGINT: Final = ("cooperative", "async tool", "blocked loop")
ROUNDS: Final = {OURS: 2}
QUICK_STATES: Final = ("cooperative", "async tool")
_AT_ONCE: Final = {OURS: 4}
_PEERS_AT_ONCE: Final = 10


def slug(state: str) -> str:
    """Return the name of a state as ids have it."""
    letters = "".join(each if each.isalnum() else " " for each in state.replace("'", ""))
    return "-".join(letters.lower().split())


def measure(effort: Effort) -> Iterator[Record]:
    """Measure ours first, then each peer that is installed."""
    states = QUICK_STATES if effort.is_quick else (*STATES,)
    for host, (module, _) in HOSTS.items():
        if importlib.util.find_spec(module) is None:
            print(f"{host}: skipped, it is not installed (`make bench` installs it)")
            continue
        cells = [
            Cell(host, state, number, "asyncio", "plain")
            for state in states
            for number in ("TERM", "INT")
            if number == "TERM" or state in WITH_SIGINT
        ]
        rounds = 1 if effort.is_quick else ROUNDS.get(host, 1)
        found = _outcomes(cells, rounds, _AT_ONCE.get(host, _PEERS_AT_ONCE))
        yield from (_record(cell, outcomes) for cell, outcomes in found.items())


def _outcomes(cells: list[Cell], rounds: int, at_once: int) -> Mapping[Cell, list[Outcome]]:
    with ThreadPoolExecutor(at_once) as pool:
        found = [*pool.map(run, cells * rounds)]
    return {cell: found[at :: len(cells)] for at, cell in enumerate(cells)}


def _record(cell: Cell, outcomes: list[Outcome]) -> Record:
    ended = [each for each in outcomes if each.status is not None]
    seconds = [each.seconds for each in ended]
    case = f"{slug(cell.state)}-{cell.signals.lower()}"
    subject = SUBJECTS.get(cell.host, cell.host)
    note = "still there after 8 s"
    if len(ended) == len(outcomes):
        typical = statistics.median_low(seconds)
        note = _how(next(each for each in ended if each.seconds == typical))
    return record(("chaos", case, subject, ""), seconds, note=note)


def _how(outcome: Outcome) -> str:
    dirty = "" if outcome.has_told("cleaned up") else ", dirty"
    left = f", {outcome.left} processes outlive it" if outcome.left else ""
    return f"status {outcome.status}{dirty}{left}"


if __name__ == "__main__":
    main(__name__, measure)
