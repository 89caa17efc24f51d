"""Tests of an agent of your own: it is stopped at each step, and loses and repeats nothing.

.venv/bin/pytest examples/testing/test_my_agent.py

Copy the tests, and put your agent in the place of `Editor`. The model is scripted: it needs no key,
and refuses a request that a provider would refuse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import AssistantMessage, ChatCompletionClient

from supervisor import Supervisor
from supervisor.testing import Scenario, ScriptedModel, Steps, assert_settled, sweep

pytestmark = pytest.mark.asyncio


class Editor(BaseChatAgent):
    """An agent of your own. It remembers what it has read and said in a model context."""

    def __init__(self, name: str, model_client: ChatCompletionClient) -> None:
        super().__init__(name, description="Improves a draft.")
        self._model_client = model_client
        self._context = UnboundedChatCompletionContext()

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """Return the types of its answers."""
        return (TextMessage,)

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Remember the messages, and ask the model for a better draft."""
        for message in messages:
            await self._context.add_message(message.to_model_message())
        answer = await self._model_client.create(
            await self._context.get_messages(), cancellation_token=cancellation_token
        )
        draft = str(answer.content)
        await self._context.add_message(AssistantMessage(content=draft, source=self.name))
        return Response(chat_message=TextMessage(content=draft, source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Forget all drafts."""
        await self._context.clear()

    async def save_state(self) -> Mapping[str, Any]:
        """Return all that it remembers."""
        return await self._context.save_state()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Remember what was saved."""
        await self._context.load_state(state)


def make_team() -> RoundRobinGroupChat:
    """Make two editors, who have a turn each in a run."""
    editors = [Editor(name, ScriptedModel()) for name in ("ada", "bob")]
    return RoundRobinGroupChat(list(editors), max_turns=2)


async def test_a_stop_at_any_step_loses_and_repeats_nothing() -> None:
    """Stop the team before ten steps that are drawn; each time it goes on to the same end."""
    # Without `sample` the sweep stops the team before each step, in five ways: about a minute.
    scenario = Scenario(make=make_team, task="Write about the sea", reloads=True)
    swept = await sweep(scenario, sample=10)
    print(swept)  # pytest -s shows how many steps the run has


async def test_a_stopped_team_is_settled_and_goes_on() -> None:
    """Stop the team once: nothing of it is at work, and the next run says the rest."""
    team = make_team()
    async with Supervisor(signals={}, fast_path=False) as sup:
        with Steps() as steps:
            run = sup.stream(team, "Write about the sea")
            steps.before(40, lambda: run.stop("Enough"))
            stopped = await run
        assert stopped.stop_reason == "Enough"
        assert_settled(team)

        rest = await sup.stream(team)
        said = [message.source for message in [*stopped.messages, *rest.messages]]
        assert said[:3] == ["user", "ada", "bob"]
