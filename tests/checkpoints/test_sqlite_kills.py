"""SQLite: a process is killed at each statement and at random, and files are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkpoints.preloaded import run_scenario
from tests.checkpoints.sqlite_kills import kill_at_random, kill_at_statements, scribble
from tests.seeds import seed

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    "every", [10, pytest.param(1, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_a_kill_at_a_statement_loses_nothing(memory_path: Path, every: int) -> None:
    """What was durable is there, the rest is done by the next process, and the run is whole."""
    offset = seed("GRID_SEED")
    counts = run_scenario(
        kill_at_statements, folder=str(memory_path), every=every, offset=offset, seconds=500
    )
    assert counts["kills"] >= counts["statements"] * 2 // every


@pytest.mark.parametrize(
    ("kills", "torn"),
    [
        (10, 10),
        pytest.param(500, 250, marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)
def test_kills_at_random_lose_no_finished_turn(memory_path: Path, kills: int, torn: int) -> None:
    """A chain of killed owners writes one transcript; a torn copy of its WAL has a prefix of it."""
    counts = run_scenario(
        kill_at_random,
        folder=str(memory_path),
        kills=kills,
        torn=torn,
        seed=seed("MOMENTS_SEED"),
        seconds=500,
    )
    assert counts["kills"] == kills
    assert counts["copies"] >= torn


@pytest.mark.parametrize(
    "times", [50, pytest.param(5000, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_a_damaged_file_never_gives_a_wrong_transcript(memory_path: Path, times: int) -> None:
    """What is read of it is right, or is refused with an error that says so."""
    found = run_scenario(
        scribble, seconds=500, folder=str(memory_path), times=times, seed=seed("MOMENTS_SEED")
    )
    assert found["unharmed"] + found["refused"] == times
    assert found["refused"]
