"""A snapshot may be taken in any iteration of the loop: something else of a run comes to a step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
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

from supervisor import Supervisor
from supervisor._autogen.checkpoints.shape import shape_of
from supervisor._autogen.upstream import GroupChatTermination
from supervisor.testing import ScriptedAgent, ScriptedModel, calls
from tests.unit.autogen.checkpoints.keeping import Keeping, StoredText, run_kept, words
from tests.unit.autogen.checks import adapter_in, contents, who

pytestmark = pytest.mark.one_loop


def _agents(names: str) -> list[Any]:
    return [ScriptedAgent(name) for name in names]


def _moments(whole: Keeping) -> Iterator[tuple[int, StoredText]]:
    """Yield what was stored, where it differs from what was before."""
    before = ""
    for number, stored in enumerate(whole.after_steps):
        if stored.state != before:
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


def _nested() -> BaseGroupChat:
    inner: Any = RoundRobinGroupChat(_agents("xy"), max_turns=2, name="inner")
    return RoundRobinGroupChat([inner, *_agents("b")], max_turns=2)


@pytest.mark.parametrize("make", [_round_robin, lambda: _line("abc", 9), _nested])
async def test_a_run_goes_on_from_any_moment(make: Callable[[], BaseGroupChat]) -> None:
    """Also from between an answer and the moment at which its manager hears it, and at its end."""
    whole = await run_kept(make(), everywhere=True)
    moments = list(_moments(whole))
    for number, stored in [*moments[:-3:2], *moments[-3:]]:
        found = await run_kept(make(), stored=stored)
        assert words(found.result.messages) == words(whole.result.messages), f"at {number}"
        assert found.result.stop_reason == whole.result.stop_reason, f"at {number}"


async def test_a_run_that_dies_as_its_team_ends_is_over(tmp_path: Path) -> None:
    """Its team has reset its condition, and would go on past its end."""
    url, loop = f"sqlite:///{tmp_path}/runs.db", asyncio.get_running_loop()
    async with Supervisor(signals={}, checkpoints=url) as sup:
        run = sup.stream(_round_robin(), "Begin", id="it")
        context = adapter_in(run).context

        def step_at_end() -> None:
            if any(isinstance(it.message, GroupChatTermination) for it in context.queued()):
                assert context.journal.on_step is not None
                context.journal.on_step()
                run.stop("It dies")
            else:
                loop.call_soon(step_at_end)

        loop.call_soon(step_at_end)
        stopped = await run
        assert stopped.stop_reason == "It dies"
        found = await sup.stream(_round_robin(), id="it")
    assert words(found.messages) == words(stopped.messages)
    assert len(found.messages) == 5
    assert found.stop_reason is not None
    assert found.stop_reason.startswith("Maximum number of messages 5 reached")


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
