"""A snapshot may be taken in any iteration of the loop: something else of a run comes to a step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    RoundRobinGroupChat,
)

from supervisor._autogen.checkpoints.shape import shape_of
from supervisor.testing import ScriptedAgent, ScriptedModel, calls
from tests.unit.autogen.checkpoints.keeping import Keeping, StoredText, run_kept, words
from tests.unit.autogen.checks import contents, who

pytestmark = pytest.mark.one_loop


def _agents(names: str) -> list[Any]:
    return [ScriptedAgent(name) for name in names]


def _moments(whole: Keeping) -> Iterator[tuple[int, StoredText]]:
    """Yield what was stored before the last answer came, where it differs from what was before."""
    before, last = "", len(whole.end.rows["thread"])
    for number, stored in enumerate(whole.after_steps):
        is_before_end = len(stored.rows.get("thread", ())) < last
        if stored.state != before and is_before_end:
            before = stored.state
            yield number, stored


def _round_robin() -> BaseGroupChat:
    return RoundRobinGroupChat(_agents("ab"), termination_condition=MaxMessageTermination(5))


def _line(names: str, most: int) -> BaseGroupChat:
    """Return a graph whose nodes follow each other."""
    agents, graph = _agents(names), DiGraphBuilder()
    for agent in agents:
        graph.add_node(agent)
    for agent, following in pairwise(agents):
        graph.add_edge(agent, following)
    return GraphFlow(agents, graph=graph.build(), termination_condition=MaxMessageTermination(most))


@pytest.mark.parametrize("make", [_round_robin, lambda: _line("abc", 9)])
async def test_a_run_goes_on_from_any_moment(make: Callable[[], BaseGroupChat]) -> None:
    """Also from between an answer and the moment at which its manager hears it."""
    whole = await run_kept(make(), everywhere=True)
    for number, stored in list(_moments(whole))[::2]:
        found = await run_kept(make(), stored=stored)
        assert words(found.result.messages) == words(whole.result.messages), f"at {number}"


async def test_a_condition_is_asked_about_an_answer_before_a_changed_graph_goes_on() -> None:
    """The answer has come to the team, and its condition was not asked: it is asked first."""
    whole = await run_kept(_line("abc", 2), everywhere=True)
    asked = 0
    for _, stored in _moments(whole):
        speakers = json.loads(stored.state)["rest"]["teams"].get("", {}).get("speakers")
        if speakers and speakers["unasked"]:
            found = await run_kept(_line("axc", 2), stored=stored, was=shape_of(_line("abc", 2)))
            assert who(found.result) == ["a"]
            asked += 1
    assert asked


async def test_an_answer_that_waits_in_a_queue_is_given() -> None:
    """An agent that has called a tool, and has answered, is not asked again for that."""

    def make() -> BaseGroupChat:
        ann: Any = AssistantAgent("ann", ScriptedModel([calls("pay"), "Done."]), tools=[_pay])
        return RoundRobinGroupChat([ann, *_agents("b")], max_turns=2)

    whole = await run_kept(make(), everywhere=True)
    gone_on = 0
    for number, stored in _moments(whole):
        context = stored.kept().logs.get("context:ann", ())
        if any("FunctionExecutionResult" in item["$"] for item in context):
            found = await run_kept(make(), stored=stored)
            assert contents(found.result)[-1] == contents(whole.result)[-1], f"at {number}"
            gone_on += 1
    assert gone_on


async def _pay() -> str:
    """Pay."""
    return "paid"
