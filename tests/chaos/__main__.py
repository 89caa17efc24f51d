"""Runs the whole chaos matrix, ours and the installed peers, and prints the table.

`make chaos` runs `python -m tests.chaos`; its status is 1 where a cell of ours breaks a promise.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.chaos import table
from tests.chaos.cells import PID_1, PLACES, SIGNALS, Cell, Outcome, run
from tests.chaos.hosts import HOSTS, OURS
from tests.chaos.promises import broken
from tests.chaos.states import STATES
from tests.process.namespaces import can_unshare

_LOOPS: Final = {OURS: ("asyncio", "uvloop")}
_AT_ONCE: Final = 4
"""Programs at once: beside too many that start, an end would be timed late."""

_PEERS_AT_ONCE: Final = 10
"""Most peers sleep until they are killed; this host's promises are not what is tried."""


def main() -> int:
    """Run it; return the exit status."""
    began = time.monotonic()
    complaints: list[str] = []
    has_namespaces = can_unshare()
    print(table.heading(), flush=True)
    for host, (module, _) in HOSTS.items():
        if importlib.util.find_spec(module) is None:
            print(f"{host}: skipped, it is not installed")
            continue
        outcomes = _outcomes(host, has_namespaces)
        found = _complaints(outcomes) if host == OURS else {}
        print(*table.block(host, outcomes, list(found)), sep="\n", flush=True)
        complaints += [f"{cell}: {text}" for cell, texts in found.items() for text in texts]
    print(f"\n{table.LEGEND}{time.monotonic() - began:.0f} s in all.")
    if not has_namespaces:
        print("PID 1 is skipped: it needs the right to make a PID namespace.")
    print(*complaints, sep="\n")
    return 1 if complaints else 0


def _outcomes(host: str, has_namespaces: bool) -> dict[Cell, Outcome | None]:
    loops = _LOOPS.get(host, ("asyncio",))
    settings = itertools.product(STATES, SIGNALS, loops, PLACES)
    cells = [Cell(host, *values) for values in settings]
    possible = [cell for cell in cells if has_namespaces or cell.place != PID_1]
    with ThreadPoolExecutor(_AT_ONCE if host == OURS else _PEERS_AT_ONCE) as pool:
        outcomes = dict(zip(possible, pool.map(run, possible), strict=True))
    return {cell: outcomes.get(cell) for cell in cells}


def _complaints(outcomes: dict[Cell, Outcome | None]) -> dict[Cell, list[str]]:
    found = {cell: broken(cell, outcome) for cell, outcome in outcomes.items() if outcome}
    return {cell: texts for cell, texts in found.items() if texts}


if __name__ == "__main__":
    sys.exit(main())
