"""Teams of AutoGen's classes of which one part is in a state: the model, an agent, or a tool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent, Team
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor.testing import ScriptedModel
from tests.chaos.states import State
from tests.process.agents import streamer, tool_caller


def team_in(state: State) -> Team:
    """Return a team of two, of which the first is in that state."""
    second = AssistantAgent("second", ScriptedModel(["done"]))
    return RoundRobinGroupChat([_first(state), second], max_turns=2, name="team")


def _first(state: State) -> ChatAgent:
    if state.who == "model":
        return AssistantAgent("first", ScriptedModel(lambda _: state.do()))
    if state.who == "tool":
        return tool_caller("first", state.work)

    async def work() -> AsyncGenerator[str, None]:
        yield "a word"
        await asyncio.sleep(0)
        yield await state.do()

    return streamer("first", work)
