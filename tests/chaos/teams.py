"""Teams of AutoGen's classes of which one part is in a state: the model, an agent, or a tool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent, Team
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.models import CreateResult
from autogen_ext.models.replay import ReplayChatCompletionClient

from tests.chaos.states import State
from tests.process.agents import Worker, tool_caller


class BusyModel(ReplayChatCompletionClient):
    """A model that is in a state before it answers."""

    def __init__(self, state: State) -> None:
        super().__init__(["done"])
        self._state = state

    async def create(
        self, *args: Any, cancellation_token: CancellationToken | None = None, **kwargs: Any
    ) -> CreateResult:
        """Work, then answer; the token cancels the work, as AutoGen's own clients have it."""
        work = asyncio.ensure_future(self._state.do())
        if cancellation_token is not None:
            cancellation_token.link_future(work)
        await work
        return await super().create(*args, **kwargs)


def team_in(state: State) -> Team:
    """A team of two, of which the first is in that state."""
    second = AssistantAgent("second", ReplayChatCompletionClient(["done"]))
    return RoundRobinGroupChat([_first(state), second], max_turns=2, name="team")


def _first(state: State) -> ChatAgent:
    if state.who == "model":
        return AssistantAgent("first", BusyModel(state))
    if state.who == "tool":
        return tool_caller("first", state.work)

    async def work(agent: Worker) -> AsyncGenerator[str, None]:
        yield "a word"
        await asyncio.sleep(0)
        yield await state.do()

    return Worker("first", work)
