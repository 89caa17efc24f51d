"""Many processes on one store: each turn is written by exactly one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkpoints.contest import contest, sqlite_url
from tests.checkpoints.preloaded import run_scenario
from tests.seeds import seed

pytestmark = pytest.mark.process

_SOAK = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("processes", "runs", "turns", "kills", "stops"),
    [
        (4, 8, 5, 2, 1),
        pytest.param(8, 200, 20, 0, 0, marks=_SOAK),
        pytest.param(8, 200, 20, 36, 12, marks=_SOAK),
    ],
)
def test_each_turn_on_sqlite_has_one_writer(
    memory_path: Path, processes: int, runs: int, turns: int, kills: int, stops: int
) -> None:
    """Processes that take runs from each other, are killed and stopped, write one transcript."""
    found = run_scenario(
        contest,
        seconds=500,
        url=sqlite_url(memory_path),
        processes=processes,
        runs=runs,
        turns=turns,
        lease=0.2,
        kills=kills,
        stops=stops,
        seed=seed("MOMENTS_SEED"),
    )
    assert found["turns"] == runs * turns
    assert found["owners"] > runs
    assert stops or not found["unavailable"]
