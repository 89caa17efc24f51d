"""A run is killed or stopped at any step, and goes on in another process as if nothing was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.checkpoints import step_sweeps
from tests.checkpoints.preloaded import run_scenario
from tests.seeds import seed
from tests.unit.autogen.checkpoints.kept_teams import TEAMS

SAMPLE, SECONDS = (40, 3000) if "SOAK" in os.environ else (1, 200)

pytestmark = [pytest.mark.process, pytest.mark.timeout(SECONDS + 10)]

KINDS = [*TEAMS, "tools"]
GROUPS = [KINDS[start::3] for start in range(3)]


@pytest.mark.parametrize("kinds", GROUPS, ids=lambda kinds: kinds[0])
def test_goes_on_from_steps_that_are_drawn(kinds: list[str], tmp_path: Path) -> None:
    """After a kill or a stop the result is that of one run, and no tool is called twice."""
    drawn = seed("CHECKPOINTS_SEED")
    arguments: dict[str, Any] = {"folder": str(tmp_path), "kinds": kinds, "sample": SAMPLE}
    wrong = run_scenario(step_sweeps.sweep, seconds=SECONDS, seed=drawn, **arguments)
    assert not wrong, f"CHECKPOINTS_SEED={drawn}: {wrong}"
