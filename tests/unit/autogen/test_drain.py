"""DRAIN: the turn that is being taken is finished and delivered, and no other one begins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    SelectorGroupChat,
)
from autogen_core.models import LLMMessage

from supervisor import Ladder, Rung, Supervisor
from supervisor.testing import ScriptedModel, assert_settled, calls
from supervisor.testing._settled import said
from tests.unit.autogen.checks import assert_all_put_back, contents
from tests.unit.autogen.draining import _Orchestrator, classes_of_teams
from tests.unit.autogen.stops import (
    EACH_TEAM,
    REASON,
    Moment,
    at_each_step,
    count,
    go_on,
    requests,
    speaker,
    stopped,
)
from tests.unit.testing.teams import round_robin

pytestmark = pytest.mark.one_loop


@pytest.mark.parametrize("kind", list(classes_of_teams()))
async def test_the_turn_is_finished_and_no_other_begins(kind: str) -> None:
    """In each class of teams ann's answer is delivered, and nobody is asked after her."""
    moment = Moment()
    ann, bob = speaker("ann", moment), speaker("bob")
    team = classes_of_teams()[kind](ann, bob)
    result = await stopped(team, moment, Rung.DRAIN)
    assert contents(result)[-1] == "ann 0"
    assert said(team)[-1] == ("ann", "ann 0")
    assert count(ann, bob) == [1, 0]


@pytest.mark.parametrize("kind", list(classes_of_teams()))
async def test_the_finished_turn_is_among_the_events(kind: str) -> None:
    """A reader sees the last turn's messages before the result, which comes last."""
    moment = Moment()
    team = classes_of_teams()[kind](speaker("ann", moment), speaker("bob"))
    events: list[Any] = []

    async def read() -> None:
        events.extend([event async for event in sup.stream(team, "go")])

    async with Supervisor(signals={}) as sup:
        reading = asyncio.create_task(read())
        await moment.is_there.wait()
        sup.stop(REASON, Rung.DRAIN)
        moment.let_go.set()
        await reading
    *messages, result = events
    assert isinstance(result, TaskResult)
    assert result.stop_reason == REASON
    assert messages[-1].to_text() == "ann 0"
    chat = [message for message in messages if isinstance(message, BaseChatMessage)]
    assert [m.id for m in chat] == [m.id for m in result.messages if isinstance(m, BaseChatMessage)]
    assert_settled(team)
    assert_all_put_back()


async def test_magentic_one_asks_no_orchestrator_after_the_turn() -> None:
    """The model of MagenticOne's orchestrator is not asked for the next step."""
    moment, orchestrator = Moment(), _Orchestrator()
    ann = speaker("ann", moment)
    team = MagenticOneGroupChat([ann, speaker("bob")], orchestrator.model)
    await stopped(team, moment, Rung.DRAIN)
    assert orchestrator.asked == 3  # for the facts, the plan, and whom to ask
    assert count(ann) == [1]


async def test_all_of_a_turn_is_finished() -> None:
    """A turn of several requests and tool calls is one turn."""
    moment, called = Moment(), list[str]()

    async def look_up() -> str:
        """Look it up."""
        called.append("look_up")
        await moment.wait()
        return "found"

    ann = AssistantAgent(
        "ann",
        ScriptedModel([calls("look_up"), calls("look_up"), "all"]),
        tools=[look_up],
        max_tool_iterations=3,
    )
    bob = speaker("bob")
    team = round_robin(ann, bob)
    result = await stopped(team, moment, Rung.DRAIN)
    assert contents(result) == ["go", "all"]
    assert called == ["look_up", "look_up"]
    assert count(bob) == [0]


@pytest.mark.parametrize("waiting", [("b",), ("c",), ("b", "c")])
async def test_both_branches_of_a_graph_finish(waiting: tuple[str, ...]) -> None:
    """Parallel branches are parallel turns: DRAIN waits for all, and begins none behind them."""
    moment = Moment()
    nodes = {name: speaker(name, moment if name in waiting else None) for name in "abcd"}
    a, b, c, d = nodes.values()
    builder = DiGraphBuilder()
    for each in nodes.values():
        builder.add_node(each)
    builder.add_edge(a, b).add_edge(a, c).add_edge(b, d).add_edge(c, d)
    team = GraphFlow([a, b, c, d], graph=builder.build())
    result = await stopped(team, moment, Rung.DRAIN)
    assert sorted(contents(result)[1:]) == ["a 0", "b 0", "c 0"]
    assert count(a, b, c, d) == [1, 1, 1, 0]
    assert contents(await go_on(team)) == ["d 0"]


async def test_a_branch_behind_another_one_does_not_begin() -> None:
    """One branch finishes while the other is still at its turn: what follows it waits."""
    moment = Moment()
    a, b, c, d = speaker("a"), speaker("b"), speaker("c", moment), speaker("d")
    builder = DiGraphBuilder().add_node(a).add_node(b).add_node(c).add_node(d)
    builder.add_edge(a, b).add_edge(a, c).add_edge(b, d)
    team = GraphFlow([a, b, c, d], graph=builder.build())
    result = await stopped(team, moment, Rung.DRAIN)
    assert sorted(contents(result)[1:]) == ["a 0", "b 0", "c 0"]
    assert count(d) == [0]
    assert contents(await go_on(team)) == ["d 0"]


async def test_between_turns_it_ends_at_once() -> None:
    """While a model is being asked who speaks next nobody's turn is taken; it is cancelled."""
    is_asked, cancelled = asyncio.Event(), list[int]()

    async def select(messages: Sequence[LLMMessage]) -> str:
        if is_asked.is_set():
            return "ann"
        is_asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise
        raise AssertionError

    ann, bob = speaker("ann"), speaker("bob")
    team = SelectorGroupChat([ann, bob], ScriptedModel(select), max_turns=1)
    async with Supervisor(signals={}, ladder=Ladder(drain=15)) as sup:
        running = asyncio.create_task(sup.stream(team, "go"))
        await is_asked.wait()
        before = asyncio.get_running_loop().time()
        sup.stop(REASON, Rung.DRAIN)
        result = await running
        assert asyncio.get_running_loop().time() - before < 1
    assert contents(result) == ["go"]
    assert cancelled == [1]
    assert_settled(team)
    assert contents(await go_on(team)) == ["ann 0"]
    assert count(ann, bob) == [1, 0]


@pytest.mark.parametrize("kind", list(EACH_TEAM))
async def test_at_each_step_all_that_was_finished_is_delivered(kind: str) -> None:
    """Wherever DRAIN comes, the result holds what the team holds, and nothing is undone."""
    make, every = EACH_TEAM[kind]
    async for team, result in at_each_step(make, rung=Rung.DRAIN, every=every):
        held = [m.to_text() for m in result.messages if isinstance(m, BaseChatMessage)]
        for name, text in said(team):
            assert text in held, (name, text)


@pytest.mark.parametrize("kind", ["pair", "selector", "graph", "nested"])
async def test_at_each_step_no_model_is_asked_for_a_further_turn(kind: str) -> None:
    """Wherever DRAIN comes, each request of a member's model became an answer."""
    make, every = EACH_TEAM[kind]
    async for team, _ in at_each_step(make, rung=Rung.DRAIN, every=every):
        asked = sum(len(requests(each)) for each in _members(team))
        assert asked == len(said(team))


def _members(team: Any) -> list[AssistantAgent]:
    found: list[AssistantAgent] = []
    for member in team._participants:
        found += _members(member) if isinstance(member, BaseGroupChat) else [member]
    return found
