"""The shape of a team, and the sentence that says how another one differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent, MessageFilterAgent, SocietyOfMindAgent
from autogen_agentchat.agents._message_filter_agent import MessageFilterConfig
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.tools import AgentTool
from hypothesis import given
from hypothesis import strategies as st

from supervisor._autogen.checkpoints.shape import differences, shape_of
from supervisor._checkpoints.pieces import decode, encode
from supervisor.testing import ScriptedModel
from tests.agents import Agent


def _writer(name: str = "writer", prompt: str = "p", tools: Any = None) -> AssistantAgent:
    return AssistantAgent(name, ScriptedModel([]), system_message=prompt, tools=tools)


def _nested(name: str = "critic") -> RoundRobinGroupChat:
    inner = RoundRobinGroupChat([Agent("a"), Agent(name)], name="inner")
    society = SocietyOfMindAgent("society", RoundRobinGroupChat([Agent("s")]), ScriptedModel([]))
    hidden = MessageFilterAgent("filter", _writer("hidden"), MessageFilterConfig(per_source=[]))
    return RoundRobinGroupChat([inner, society, hidden])


def _graph(condition: Any = "yes", *, has_third: bool = True) -> GraphFlow:
    a, b, c = Agent("a"), Agent("b"), Agent("c")
    builder = DiGraphBuilder()
    builder.add_node(a).add_node(b).add_node(c)
    builder.add_edge(a, b, condition=condition)
    if has_third:
        builder.add_edge(b, c)
    else:
        builder.add_edge(a, c, condition=condition)
    return GraphFlow([a, b, c], builder.build())


def _moved(team: object) -> Any:
    return decode(encode(shape_of(team)))


def test_shape_has_what_the_team_consists_of() -> None:
    """A shape has the members at any depth: of inner teams, of a society, behind a filter."""
    (inner, society, hidden) = _moved(_nested())["members"]
    assert [member["name"] for member in inner["members"]] == ["a", "critic"]
    assert [member["name"] for member in society["members"][0]["members"]] == ["s"]
    assert hidden["members"] == [{"class": "AssistantAgent", "name": "hidden"}]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_nested, _nested),
        (_graph, _graph),
        (lambda: _graph(bool), lambda: _graph(callable)),
        (lambda: _writer(prompt="p"), lambda: _writer(prompt="q")),
        (
            _writer,
            lambda: _writer(tools=[AgentTool(_writer("tool"))]),
        ),
        (
            lambda: RoundRobinGroupChat([Agent("a")], max_turns=3),
            lambda: RoundRobinGroupChat(
                [Agent("a")], termination_condition=MaxMessageTermination(3)
            ),
        ),
    ],
    ids=["nested", "graph", "functions", "prompt", "tools", "end"],
)
def test_prompts_tools_and_conditions_are_no_shape(
    one: Callable[[], object], other: Callable[[], object]
) -> None:
    """Two teams that differ in what a deploy may change have the same shape."""
    assert differences(_moved(one()), shape_of(other())) == ""


@pytest.mark.parametrize(
    ("one", "other", "sentence"),
    [
        (lambda: _writer("a"), lambda: _writer("b"), "it was called 'a', and is 'b' now"),
        (
            lambda: Agent("a"),
            lambda: _writer("a"),
            "'a' was of the class Agent, and is of AssistantAgent now",
        ),
        (_nested, lambda: _nested("poet"), "'critic' was in 'inner', and is not now"),
        (
            lambda: RoundRobinGroupChat([Agent("a")], name="t"),
            lambda: RoundRobinGroupChat([Agent("a"), Agent("b")], name="t"),
            "'b' is in 't' now, and was not",
        ),
        (
            lambda: RoundRobinGroupChat([Agent("b"), Agent("a")], name="t"),
            lambda: RoundRobinGroupChat([Agent("a"), Agent("b")], name="t"),
            "'t' had its members in the order 'b', 'a', and has 'a', 'b' now",
        ),
        (
            lambda: RoundRobinGroupChat([Agent("a"), Agent("b")], name="t"),
            lambda: SelectorGroupChat([Agent("a"), Agent("b")], ScriptedModel([]), name="t"),
            "'t' was of the class RoundRobinGroupChat, and is of SelectorGroupChat now",
        ),
        (
            _graph,
            lambda: _graph(has_third=False),
            "'GraphFlow' had an edge from 'b' to 'c', and has none now",
        ),
        (
            _graph,
            lambda: _graph("no"),
            "the edge from 'a' to 'b' in 'GraphFlow' had another condition",
        ),
    ],
)
def test_difference_is_named(
    one: Callable[[], object], other: Callable[[], object], sentence: str
) -> None:
    """Another name, class, member, order or edge is said in one sentence."""
    assert differences(_moved(one()), shape_of(other())) == sentence


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["class", "name", "members", "graph", "x"]), inner)
    ),
    max_leaves=12,
)


@given(data=_JSON)
def test_other_data_is_a_difference(data: Any) -> None:
    """What is no shape is different from any, and raises nothing."""
    assert differences(data, _SHAPE)


_SHAPE = shape_of(_graph())


def test_shape_of_a_swarm_has_no_graph() -> None:
    """Only a team that has a graph says so."""
    team = Swarm([_writer_that_hands_off()])
    assert "graph" not in shape_of(team)


def _writer_that_hands_off() -> AssistantAgent:
    return AssistantAgent("writer", ScriptedModel([]), handoffs=["user"])
