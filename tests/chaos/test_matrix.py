"""A sample of the chaos matrix: whatever a program is doing, it ends in time and in order.

Each state meets one of the ways to be stopped, with a new seed each time (`CHAOS_SEED=…` repeats
one); in `make soak` every two settings meet once. `make chaos` runs them all, beside peers.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chaos.cells import PID_1, PLACES, SIGNALS, Cell, run
from tests.chaos.hosts import OURS
from tests.chaos.promises import broken
from tests.chaos.states import STATES
from tests.process.harness import MARGIN
from tests.process.namespaces import can_unshare
from tests.process.pairs import all_pairs
from tests.seeds import seed

pytestmark = [pytest.mark.process]

_SETTINGS = {
    "state": tuple(STATES),
    "signals": tuple(SIGNALS),
    "loop": ("asyncio", "uvloop"),
    "place": PLACES,
}
_SEED = seed("CHAOS_SEED")
_AT_ONCE = 6  # programs, which mostly sleep


@pytest.mark.timeout(240)
@pytest.mark.parametrize("of_a_state", [1, pytest.param(None, marks=pytest.mark.soak)])
def test_whatever_a_program_is_at_it_is_gone_in_time(
    subtests: pytest.Subtests, of_a_state: int | None
) -> None:
    """After one signal or three, all promises hold: seconds, status, team, children, silence."""
    print(f"CHAOS_SEED={_SEED} repeats this sample")
    cells = _sample(of_a_state)
    has_namespaces = can_unshare()
    possible = [cell for cell in cells if has_namespaces or cell.place != PID_1]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        outcomes = {cell: pool.submit(run, cell) for cell in possible}
    for cell in cells:
        with subtests.test(str(cell)):
            if cell not in outcomes:
                pytest.skip("needs the right to make a PID namespace")
            outcome = outcomes[cell].result()
            assert not broken(cell, outcome, MARGIN), f"{cell}\n{outcome}"


def _sample(of_a_state: int | None) -> list[Cell]:
    """Return cells in which every two settings meet, or so many of each state of these."""
    cells = [Cell(host=OURS, **case) for case in all_pairs(_SETTINGS, _SEED)]
    random.Random(_SEED).shuffle(cells)
    of_states = [[cell for cell in cells if cell.state == state] for state in STATES]
    return [cell for found in of_states for cell in found[:of_a_state]]
