"""A run is killed or stopped at any step, and goes on in another process as if nothing was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkpoints import step_sweeps
from tests.checkpoints.preloaded import run_warm_scenario
from tests.process.harness import Server
from tests.seeds import seed
from tests.unit.autogen.checkpoints.kept_teams import TEAMS

pytestmark = [pytest.mark.process]

KINDS = [*TEAMS, "tools"]
GROUPS = [KINDS[start::3] for start in range(3)]


@pytest.mark.timeout(3100)
@pytest.mark.parametrize(
    ("ways", "sample", "seconds"),
    [(1, 1, 200), pytest.param(2, 40, 3000, marks=pytest.mark.soak)],
)
@pytest.mark.parametrize("kinds", GROUPS, ids=lambda kinds: kinds[0])
def test_goes_on_from_steps_that_are_drawn(
    server: Server, memory_path: Path, kinds: list[str], ways: int, sample: int, seconds: int
) -> None:
    """After a kill or a stop the result is that of one run, and no tool is called twice."""
    drawn = seed("CHECKPOINTS_SEED")
    wrong = run_warm_scenario(
        server,
        step_sweeps.sweep,
        seconds=seconds,
        folder=str(memory_path),
        kinds=kinds,
        seed=drawn,
        ways=ways,
        sample=sample,
    )
    assert not wrong, f"CHECKPOINTS_SEED={drawn}: {wrong}"
