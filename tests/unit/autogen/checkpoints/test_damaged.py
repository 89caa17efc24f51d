"""A stored run whose data lacks something, or has something else: an error that says so."""

from __future__ import annotations

from typing import Any

import pytest

from supervisor._autogen.checkpoints.comparison import result_of
from supervisor._autogen.checkpoints.items import at_once
from supervisor._autogen.checkpoints.loading import load
from supervisor._autogen.checkpoints.restore import restore
from supervisor._autogen.checkpoints.shape import shape_of
from supervisor._autogen.saved_state import restore as restore_saved
from supervisor._checkpoints.pieces import encode
from supervisor._checkpoints.snapshot import Kept
from supervisor._checkpoints.store import RunStatus, StoredRun
from supervisor.errors import CheckpointCorrupt
from supervisor.testing import ScriptedAgent
from tests.unit.checkpoints.run_infos import run_info


def _kept(**rest: Any) -> Kept:
    return Kept(turn=1, logs={}, rest=rest, run_id="r")


async def test_data_that_lacks_a_part() -> None:
    """The error names the part, and the run."""
    kept = _kept(teams={}, has_taken_task=True)
    with pytest.raises(CheckpointCorrupt, match="'r' is damaged: it lacks 'turns'"):
        await restore(ScriptedAgent("a"), kept)


@pytest.mark.parametrize("kept", [None, _kept(), _kept(end="soon")])
async def test_a_completed_run_without_an_end(kept: Kept | None) -> None:
    """It has no result that could be given again."""
    with pytest.raises(CheckpointCorrupt, match="it is completed, and has no end"):
        await result_of(kept, ScriptedAgent("a"), "r", at_once)


async def test_a_completed_run_of_which_nothing_was_written() -> None:
    """It is no state to begin a conversation from, and the team is left as it is."""
    agent = ScriptedAgent("a")
    stored = StoredRun(
        info=run_info(status=RunStatus.COMPLETED, owner=None),
        shape=encode(shape_of(agent)),
        task="null",
        state=None,
        digest=None,
        logs={},
    )
    with pytest.raises(CheckpointCorrupt, match="it is completed, and has no end"):
        await load(agent, stored)


async def test_neither_a_state_nor_a_memory() -> None:
    """An agent whose state could not be saved is not brought back to it."""
    with pytest.raises(ValueError, match="its state could not be saved"):
        await restore_saved(ScriptedAgent("a"), None, None)
