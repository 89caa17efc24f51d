"""What was recorded in a turn that is undone lasts until that turn was redone and is over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from autogen_agentchat.agents import BaseChatAgent, UserProxyAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow
from autogen_core import CancellationToken

from supervisor import Supervisor
from supervisor.testing import ScriptedAgent
from tests.unit.autogen.checkpoints.executors import Noting, executing

CODE = "```python\nprint(42)\n```"


class Slow(BaseChatAgent):
    """Has another agent answer, and may wait before that, and after it.

    Args:
        inner: Who answers.
    """

    def __init__(self, inner: BaseChatAgent) -> None:
        super().__init__("slow", "Answers by another one.")
        self.inner = inner
        self.may_ask = asyncio.Event()
        self.has_answer = asyncio.Event()
        self.may_end = asyncio.Event()

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """What it says."""
        return (TextMessage,)

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Answer."""
        await self.may_ask.wait()
        response = await self.inner.on_messages(messages, cancellation_token)
        self.has_answer.set()
        await self.may_end.wait()
        content = response.chat_message.to_text()
        return Response(chat_message=TextMessage(content=content, source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Forget nothing."""


class Flow:
    """A team with two branches, which has the agent in one of them.

    Args:
        inner: Who answers in that branch.
    """

    def __init__(self, inner: BaseChatAgent) -> None:
        self.slow = Slow(inner)
        self.other_may_end = asyncio.Event()
        first, other = ScriptedAgent("first"), ScriptedAgent("other", self._wait)
        builder = DiGraphBuilder()
        for agent in (first, self.slow, other):
            builder.add_node(agent)
        builder.add_edge(first, self.slow)
        builder.add_edge(first, other)
        self.team = GraphFlow(builder.get_participants(), builder.build())

    async def _wait(self, _heard: object, _token: object) -> str:
        await self.other_may_end.wait()
        return "other"


class Inner:
    """Makes the agent that answers, and counts how often it really does."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.done: list[str] = []

    def make(self) -> BaseChatAgent:
        """Return a fresh one."""
        if self._kind == "user":
            return UserProxyAgent("user", input_func=self._ask)
        return executing("coder", Noting(self.done))

    def _ask(self, _prompt: str) -> str:
        self.done.append("asked")
        return "42"


@pytest.mark.parametrize("kind", ["user", "code"])
@pytest.mark.parametrize("is_given_back", [False, True])
async def test_what_was_recorded_lasts_over_many_processes(
    tmp_path: Path, kind: str, *, is_given_back: bool
) -> None:
    """A second owner may die before it has redone the turn, or has only begun it.

    Meanwhile another branch has finished a turn, which is written.
    """
    inner = Inner(kind)
    url = f"sqlite:///{tmp_path}/runs.db"

    flow = Flow(inner.make())
    async with Supervisor(checkpoints=url) as sup:
        run = sup.stream(flow.team, CODE, id="flow")
        task = asyncio.create_task(run)
        flow.slow.may_ask.set()
        await flow.slow.has_answer.wait()
        run.stop()  # it writes no other state than a kill leaves
        await task

    flow = Flow(inner.make())
    async with Supervisor(checkpoints=url) as sup:
        run = sup.stream(flow.team, id="flow")
        task = asyncio.create_task(run)
        if is_given_back:
            flow.slow.may_ask.set()
            await flow.slow.has_answer.wait()
        flow.other_may_end.set()
        while (await sup.runs.list())[0].turn < 2:
            pass
        run.stop()
        await task

    for _ in range(2):
        flow = Flow(inner.make())
        flow.other_may_end.set()
        flow.slow.may_ask.set()
        flow.slow.may_end.set()
        async with Supervisor(checkpoints=url) as sup:
            result = await sup.stream(flow.team, id="flow")
    assert result is not None
    said = [(message.source, message.to_text()) for message in result.messages]
    assert ("slow", "42") in said
    assert len(inner.done) == 1
