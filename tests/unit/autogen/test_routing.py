"""Runs that are sent through a function, and those that are left to AutoGen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import BaseChatAgent, SocietyOfMindAgent
from autogen_agentchat.base import Response, TaskResult
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_agentchat.ui import Console
from autogen_core import CancellationToken

from supervisor import Supervisor
from supervisor._autogen import routing
from supervisor.testing import ScriptedAgent, ScriptedModel


@pytest.fixture
def routed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Route all runs through a supervisor, and return the names of what was run."""
    for cls in (BaseGroupChat, BaseChatAgent):
        for name in ("run", "run_stream"):
            monkeypatch.setattr(cls, name, vars(cls)[name])
    names: list[str] = []

    async def through(runnable: Any, options: dict[str, Any]) -> AsyncGenerator[Any, None]:
        names.append(runnable.name)
        async with Supervisor(signals={}) as sup:
            async for event in sup.stream(runnable, **options):
                yield event

    routing.route_teams(through)
    routing.route_agents(through)
    return names


def _team(*agents: BaseChatAgent) -> RoundRobinGroupChat:
    ends = MaxMessageTermination(1 + len(agents))
    return RoundRobinGroupChat(list(agents), name="team", termination_condition=ends)


async def test_each_way_to_run_goes_through_it_once(routed: list[str]) -> None:
    """`run`, `run_stream`, a Console; a team's members are part of its run."""
    team, agent = _team(ScriptedAgent("member", ["One.", "Two.", "Three."])), ScriptedAgent("alone")
    await team.run(task="go")
    async for _ in team.run_stream(task="go"):
        pass
    await Console(team.run_stream(task="go"))
    await agent.run(task="go")
    async for _ in agent.run_stream(task="go"):
        pass
    assert routed == ["team", "team", "team", "alone", "alone"]


async def test_a_run_inside_a_run_is_left_to_autogen(routed: list[str]) -> None:
    """An inner team belongs to the run of the agent that asks it."""
    inner = _team(ScriptedAgent("member", ["One."]))
    agent = SocietyOfMindAgent("society", inner, ScriptedModel(["All in all."]))
    await agent.run(task="go")
    assert routed == ["society"]


class _Twofold(BaseChatAgent):
    """Answers `run` otherwise than `run_stream`."""

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        return Response(chat_message=TextMessage(content="Run.", source=self.name))

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        yield TextMessage(content="First.", source=self.name)
        yield Response(chat_message=TextMessage(content="Streamed.", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        pass


async def _streamed(agent: BaseChatAgent) -> list[str]:
    """Return the texts in the result of a stream, without the task."""
    *_, result = [item async for item in agent.run_stream(task="go")]
    assert isinstance(result, TaskResult)
    return [message.to_text() for message in result.messages[1:]]


async def test_an_agents_run_keeps_its_own_result(routed: list[str]) -> None:
    """It need not be that of `run_stream`."""
    agent = _Twofold("twofold", "Answers in two ways.")
    result = await agent.run(task="go")
    assert [message.to_text() for message in result.messages[1:]] == ["Run."]
    assert await _streamed(agent) == ["First.", "Streamed."]
    assert routed == ["twofold", "twofold"]


async def test_a_run_that_fails_raises_what_it_raises_alone(routed: list[str]) -> None:
    """The exception is AutoGen's."""
    agent = ScriptedAgent("fails", [LookupError("in vain")])
    with pytest.raises(LookupError, match="in vain"):
        await agent.run(task="go")


async def test_a_stream_may_be_made_in_one_place_and_read_in_another(routed: list[str]) -> None:
    """It begins where it is first read, and can be closed before its end."""
    team = _team(ScriptedAgent("member", ["One."]))
    stream = team.run_stream(task="go")

    async def read() -> None:
        async for _ in stream:
            break
        await stream.aclose()

    await asyncio.create_task(read())
    assert routed == ["team"]


async def test_none_leaves_a_run_to_autogen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is changed."""
    monkeypatch.setattr(BaseChatAgent, "run", vars(BaseChatAgent)["run"])
    monkeypatch.setattr(BaseChatAgent, "run_stream", vars(BaseChatAgent)["run_stream"])
    routing.route_agents(lambda runnable, options: None)
    result = await ScriptedAgent("alone", ["One."]).run(task="go")
    assert result.messages[-1].to_text() == "One."
    assert await _streamed(ScriptedAgent("alone", ["One."])) == ["One."]
