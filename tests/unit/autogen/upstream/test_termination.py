"""Contract tests: what ends a team."""

from __future__ import annotations

import pytest
from autogen_agentchat.base import TerminationCondition
from autogen_agentchat.conditions import (
    ExternalTermination,
    FunctionalTermination,
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
from supervisor._autogen.upstream import whole_turn
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


@pytest.mark.parametrize(
    ("is_reset", "reason"),
    [(False, "Text 'before' mentioned"), (True, "Maximum number of turns 2 reached.")],
)
async def test_a_condition_is_asked_about_an_interrupted_turn_as_a_whole(
    is_reset: bool, reason: str
) -> None:
    """What was said before an interruption comes with the next turn; not after a reset."""
    condition = TextMentionTermination("before")
    made = RoundRobinGroupChat([Agent("a")], max_turns=2, termination_condition=condition)
    group = await group_after_a_run(made)
    group.termination.ask_later([TextMessage(content="before", source="a")])
    if is_reset:
        await made.reset()
    result = await made.run(task="again" if is_reset else None)
    assert result.stop_reason == reason
    assert "_apply_termination_condition" not in vars(group.manager)


async def test_a_condition_that_would_end_the_team_now_does_not_prevent_its_going_on() -> None:
    """The team has gone on after what was said: a condition of a user's may think otherwise now."""
    ends = FunctionalTermination(lambda messages: True)
    made = RoundRobinGroupChat([Agent("a")], max_turns=1, termination_condition=ends)
    group = await group_after_a_run(made)
    group.termination.recount(1, [[TextMessage(content="x", source="a")]])
    assert not ends.terminated
    assert group.turns == 1


def test_a_whole_turn_has_each_message_once() -> None:
    """A turn that says again what it said before the interruption has it once, in its place."""
    first, second = (TextMessage(content=text, source="a") for text in "xy")
    assert whole_turn([first], [second]) == [first, second]
    assert whole_turn([first], [first, second]) == [first, second]
