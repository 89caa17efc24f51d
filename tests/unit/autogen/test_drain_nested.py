"""DRAIN of a team within a team, an agent or a tool: the innermost turn is finished."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent, SocietyOfMindAgent
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_core.models import LLMMessage

from supervisor import Rung
from supervisor.testing import ScriptedModel, answers_so_far, calls
from supervisor.testing._settled import said
from tests.unit.autogen.checks import contents
from tests.unit.autogen.stops import Moment, count, go_on, speaker, stopped
from tests.unit.testing.teams import round_robin


async def test_the_innermost_turn_is_finished_and_its_team_goes_on() -> None:
    """The inner team resumes without a new task: the outer turn counts as interrupted."""
    moment = Moment()
    ann, bob, cleo = speaker("ann", moment), speaker("bob"), speaker("cleo")
    team = round_robin(round_robin(ann, bob, name="inner"), cleo, name="outer")
    await stopped(team, moment, Rung.DRAIN)
    assert contents(await go_on(team)) == ["bob 0", "cleo 0"]
    assert count(ann, bob, cleo) == [1, 1, 1]


async def test_the_inner_team_s_last_turn_ends_the_enclosing_one() -> None:
    """After the inner team's last turn, the next run asks the next member of the outer team."""
    moment = Moment()
    ann, bob, cleo = speaker("ann"), speaker("bob", moment), speaker("cleo")
    team = round_robin(round_robin(ann, bob, name="inner"), cleo, name="outer")
    result = await stopped(team, moment, Rung.DRAIN)
    assert contents(result) == ["go", "ann 0", "bob 0"]
    assert count(ann, bob, cleo) == [1, 1, 0]
    assert contents(await go_on(team))[0] == "cleo 0"


async def test_a_society_s_inner_turn_is_finished() -> None:
    """In a `SocietyOfMindAgent` the turn of the inner team's member is finished."""
    moment = Moment()
    ann, bob, cleo = speaker("ann", moment), speaker("bob"), speaker("cleo")
    model = ScriptedModel(lambda messages: "in short")
    inner = round_robin(ann, bob, name="inner")
    team = round_robin(SocietyOfMindAgent("society", inner, model), cleo)
    result = await stopped(team, moment, Rung.DRAIN)
    assert count(ann, bob, cleo) == [1, 0, 0]
    assert model.requests == []
    assert contents(result) == ["go", "ann 0"]
    assert contents(await go_on(team))[-2:] == ["in short", "cleo 0"]
    assert count(ann, bob, cleo) == [1, 1, 1]


def asking(tool: TeamTool | AgentTool) -> AssistantAgent:
    """Make an agent that asks what is behind the tool, and then answers."""

    def reply(messages: Sequence[LLMMessage]) -> Any:
        is_first = answers_so_far(messages) == 0
        return calls((tool.name, {"task": "a question"})) if is_first else "asked"

    return AssistantAgent("asker", ScriptedModel(reply), tools=[tool], reflect_on_tool_use=True)


async def test_of_a_team_behind_a_tool_a_turn_is_finished() -> None:
    """In a team as a tool, a member's turn is finished; the call counts as interrupted."""
    moment = Moment()
    ann, bob, cleo = speaker("ann", moment), speaker("bob"), speaker("cleo")
    asker = asking(TeamTool(round_robin(ann, bob, name="inner"), "ask", "Ask."))
    team = round_robin(asker, cleo)
    await stopped(team, moment, Rung.DRAIN)
    assert count(ann, bob, cleo) == [1, 0, 0]
    await go_on(team)
    assert [text for _, text in said(team)] == ["asked", "cleo 0"]
    assert count(ann, bob) == [1, 0]


async def test_with_an_agent_behind_a_tool_the_turn_is_the_asker_s() -> None:
    """With an agent as a tool, the turn of the calling agent is finished."""
    moment = Moment()
    ann, cleo = speaker("ann", moment), speaker("cleo")
    result = await stopped(team := round_robin(asking(AgentTool(ann)), cleo), moment, Rung.DRAIN)
    assert contents(result)[-1] == "asked"
    assert count(ann, cleo) == [1, 0]
    assert contents(await go_on(team))[0] == "cleo 0"


async def test_a_single_agent_finishes_its_answer() -> None:
    """An agent that is run by itself is one turn."""
    moment = Moment()
    ann = speaker("ann", moment)
    assert contents(await stopped(ann, moment, Rung.DRAIN)) == ["go", "ann 0"]
    assert contents(await go_on(ann, "again")) == ["again", "ann 1"]
