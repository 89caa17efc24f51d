"""What AutoGen exports is loaded again: each class of teams, with what it can hold."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from autogen_agentchat.agents import (
    AssistantAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
    SocietyOfMindAgent,
    UserProxyAgent,
)
from autogen_agentchat.base import ChatAgent, Handoff, Team
from autogen_agentchat.conditions import (
    ExternalTermination,
    HandoffTermination,
    MaxMessageTermination,
    SourceMatchTermination,
    TextMentionTermination,
    TimeoutTermination,
    TokenUsageTermination,
)
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_core.memory import ListMemory, MemoryContent
from autogen_core.model_context import BufferedChatCompletionContext
from autogen_core.models import ModelInfo, UserMessage
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel

from supervisor._cli.targets import load, parse
from tests.unit.cli.team_files import write

pytestmark = pytest.mark.blocks


class Inner(BaseModel):  # noqa: D101 - AutoGen loses a docstring here
    value: int


class Answer(BaseModel):  # noqa: D101
    parts: list[Inner]
    text: str = "x"


def _model() -> ReplayChatCompletionClient:
    can_call: ModelInfo = {
        "vision": False,
        "function_calling": True,
        "json_output": False,
        "family": "unknown",
        "structured_output": False,
    }
    return ReplayChatCompletionClient(["one", "two"], can_call)


def _agent(name: str) -> AssistantAgent:
    return AssistantAgent(name, _model())


def _rich_agent() -> AssistantAgent:
    return AssistantAgent(
        "rich",
        _model(),
        tools=[AgentTool(_agent("a")), TeamTool(RoundRobinGroupChat([_agent("b")]), "c", "d")],
        handoffs=["other", Handoff(target="user", message="Over to you.")],
        memory=[ListMemory("m", [MemoryContent(content="x", mime_type="text/plain")])],
        model_context=BufferedChatCompletionContext(
            5, initial_messages=[UserMessage(content="x", source="y")]
        ),
        output_content_type=Answer,
        output_content_type_format="{text}: {parts}",
        metadata={"x": "y"},
    )


def _all_members() -> Team:
    condition = (
        (MaxMessageTermination(5) & TextMentionTermination("x"))
        | TimeoutTermination(9)
        | TokenUsageTermination(7, 8, 9)  # AutoGen cannot load one with fewer
        | ExternalTermination()
        | HandoffTermination("user")
        | SourceMatchTermination(["rich"])
    )
    listening = MessageFilterConfig(per_source=[PerSourceFilter(source="x")])
    society = SocietyOfMindAgent("society", RoundRobinGroupChat([_agent("e")]), _model())
    filtering = MessageFilterAgent("filtering", _agent("f"), listening)
    members: list[ChatAgent | Team] = [_rich_agent(), UserProxyAgent("user"), society, filtering]
    return RoundRobinGroupChat(members, termination_condition=condition, max_turns=7)


def _graph() -> Team:
    a, b = _agent("a"), _agent("b")
    graph = DiGraphBuilder().add_node(a).add_node(b).add_edge(a, b, condition="yes").build()
    return GraphFlow([a, b], graph)


def _selector() -> Team:
    return SelectorGroupChat([_agent("a"), _agent("b")], _model())


def _swarm() -> Team:
    return Swarm([_agent("a"), _agent("b")])


def _magentic_one() -> Team:
    return MagenticOneGroupChat([_agent("a")], _model())


@pytest.mark.parametrize(
    "make",
    [
        _all_members,
        _graph,
        _rich_agent,
        _selector,
        _swarm,
        _magentic_one,
    ],
)
@pytest.mark.filterwarnings("ignore:Termination condition:UserWarning")
async def test_an_export_is_loaded_without_trust(
    make: Callable[[], Team | ChatAgent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made of the file exports the same again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    text = make().dump_component().model_dump_json()
    write(tmp_path, text)
    built = await load(parse("team.json")).build()
    assert built.dump_component().model_dump_json() == text
