"""Contract tests: what ends a team."""

from __future__ import annotations

import pytest
from autogen_agentchat.base import TerminationCondition
from autogen_agentchat.conditions import (
    ExternalTermination,
    HandoffTermination,
    MaxMessageTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TimeoutTermination,
)
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor._autogen.repair_thread import drive_sync
from tests.agents import Agent
from tests.unit.autogen.upstream.parts import group_after_a_run, manager_of, team_at_work


async def test_termination_condition_is_the_teams() -> None:
    """The manager asks `_termination_condition`, the very object that the team was given."""
    async with team_at_work() as (group, runtime):
        assert manager_of(runtime)._termination_condition is group._termination_condition


async def test_max_turns_and_current_turn_end_a_team() -> None:
    """A team ends when `_current_turn` has come to `_max_turns`."""
    made = RoundRobinGroupChat([Agent("a")], max_turns=3)
    group = await group_after_a_run(made)
    assert group.manager._max_turns == 3
    group.manager._current_turn = 2
    result = await made.run(task="again")
    assert len(result.messages) == 2
    assert not group.would_end(2, [[TextMessage(content="x", source="a")]])
    assert group.would_end(3, [[TextMessage(content="x", source="a")]])


@pytest.mark.parametrize(
    "condition",
    [
        MaxMessageTermination(1),
        TextMentionTermination("x"),
        SourceMatchTermination(["a"]),
        StopMessageTermination(),
        TimeoutTermination(1000),
        ExternalTermination(),
        HandoffTermination("a"),
    ],
    ids=lambda condition: type(condition).__name__,
)
async def test_conditions_do_not_wait(condition: TerminationCondition) -> None:
    """AutoGen's plain conditions are asked, and reset, without waiting."""
    drive_sync(condition([TextMessage(content="x", source="a")]))
    drive_sync(condition.reset())
    assert not condition.terminated


@pytest.mark.parametrize(
    "condition",
    [
        MaxMessageTermination(1) | TextMentionTermination("y"),
        MaxMessageTermination(1) & TextMentionTermination("x"),
        MaxMessageTermination(1) & (TextMentionTermination("x") | TextMentionTermination("y")),
    ],
    ids=["or", "and", "both"],
)
async def test_combined_conditions_hold_their_parts(condition: TerminationCondition) -> None:
    """`A | B` awaits its parts together, so they are asked one by one, by `_conditions`."""
    made = RoundRobinGroupChat([Agent("a")], max_turns=1, termination_condition=condition)
    group = await group_after_a_run(made)
    assert len(vars(condition)["_conditions"]) == 2
    assert not group.would_end(0, [])
    assert group.would_end(0, [[TextMessage(content="x", source="a")]])
    drive_sync(condition.reset())
    assert not condition.terminated
