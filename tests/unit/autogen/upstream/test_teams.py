"""Contract tests: teams, their ids, runtimes and handoffs."""

from __future__ import annotations

from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import HandoffTermination
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat, Swarm
from autogen_core import SingleThreadedAgentRuntime

from supervisor._autogen import upstream
from supervisor._autogen.upstream import unmark_running
from supervisor.testing import ScriptedModel
from supervisor.testing import calls as wanted
from tests.agents import Agent, team
from tests.unit.autogen.upstream.parts import group_after_a_run, team_at_work


async def test_is_running_marks_a_team_at_work() -> None:
    """`_is_running` refuses a second run; `unmark_running` clears it."""
    async with team_at_work() as (group, _):
        marks = [group._is_running]
    marks.append(group._is_running)
    assert marks == [True, False]
    group._is_running = True
    unmark_running(group)
    await group.run(task="go")


async def test_to_whom_a_swarm_has_handed_off() -> None:
    """A Swarm's manager, found by topic type and team id, has the thread and the names."""
    ann = AssistantAgent("ann", ScriptedModel([wanted("transfer_to_user")]), handoffs=["user"])
    swarm = Swarm([ann], termination_condition=HandoffTermination("user"))
    assert upstream.handed_off(swarm) is None
    await swarm.run(task="go")
    assert upstream.handed_off(swarm) == ("user", ["ann"])
    handoff, members = upstream.open_handoff(swarm) or (None, [])
    assert handoff is not None
    assert (handoff.source, handoff.target, members) == ("ann", "user", ["ann"])
    await swarm.reset()
    assert upstream.handed_off(swarm) is None


async def test_team_id_is_the_key_of_its_agents() -> None:
    """`_team_id` is the key of the manager and of each container."""
    made = team(Agent("a"), turns=1)
    group = await group_after_a_run(made)
    assert group.key == upstream.team_id(made)
    assert all(member.id.key == group.key for member in group._members.values())
    assert upstream.is_team(made, group.key)
    assert not upstream.is_team(made, "another")


def test_embedded_runtime_tells_whose_the_runtime_is() -> None:
    """`_embedded_runtime` is false exactly where the user has given `_runtime`."""
    given = SingleThreadedAgentRuntime()
    assert upstream.given_runtime(RoundRobinGroupChat([Agent("a")], runtime=given)) is given
    assert upstream.given_runtime(team(Agent("a"))) is None


async def test_output_message_queue_is_where_events_wait() -> None:
    """`_output_message_queue` holds events that were not yielded; `unmark_running` empties it."""
    made = team(Agent("a"), turns=1)
    made._output_message_queue.put_nowait(TextMessage(content="old", source="a"))
    made._is_running = True
    unmark_running(made)
    result = await made.run(task="go")
    assert [m.to_text() for m in result.messages if isinstance(m, TextMessage)] == ["go", "done"]


async def test_a_team_in_another_process_cannot_be_looked_into() -> None:
    """The agents of a runtime that is no `SingleThreadedAgentRuntime` are not here."""

    class Elsewhere:
        """A runtime of another process."""

    runtime: Any = Elsewhere()
    swarm = Swarm([AssistantAgent("ann", ScriptedModel([]))], runtime=runtime)
    assert upstream.handed_off(swarm) is None
    assert upstream.given_runtime(swarm) is None
    assert upstream.group_of(swarm) is None
    with pytest.raises(TypeError, match="'Swarm' are in another process"):
        await upstream.make_group(swarm)
