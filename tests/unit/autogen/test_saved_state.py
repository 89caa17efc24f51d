"""The state of a team that cannot save it: what is remembered in this process."""

from __future__ import annotations

import pytest

from supervisor._autogen import saved_state
from supervisor.testing._settled import said
from tests.unit.autogen.stops import go_on, requests, speaker
from tests.unit.testing.teams import round_robin

pytestmark = pytest.mark.one_loop


async def test_memory_without_a_state_rewinds_the_agents() -> None:
    """Where a team could not be saved, its agents forget what came after."""
    ann = speaker("ann")
    team = round_robin(ann, turns=1)
    memory = await saved_state.memory_of(team)
    await go_on(team, "go")
    await saved_state.restore(team, None, memory)
    assert await ann.model_context.get_messages() == []
    assert said(team) == [("ann", "ann 0")]
    assert len(requests(ann)) == 1
