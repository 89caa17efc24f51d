"""Sync tools in threads, which nothing can stop: the run does not wait for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.models import FunctionExecutionResultMessage, LLMMessage
from autogen_core.tools import FunctionTool

from supervisor.testing import Said, ScriptedModel, calls
from tests.blocking.stops import run_again, stop, words

by_stop_and_cancel = pytest.mark.parametrize("way", ["sup.stop", "task.cancel"])


class Slow:
    """Tools that end when they are released."""

    def __init__(self) -> None:
        self.is_called = asyncio.Event()
        self.let_go = threading.Event()
        self.ended = 0
        self._loop = asyncio.get_running_loop()

    def plain(self) -> str:
        """Wait."""
        self._loop.call_soon_threadsafe(self.is_called.set)
        assert self.let_go.wait(10)
        self.ended += 1
        return "found"

    def with_token(self, cancellation_token: CancellationToken) -> str:
        """Wait, and do not look at the token."""
        return self.plain()


def _answer(messages: Sequence[LLMMessage]) -> Said:
    has_found = isinstance(messages[-1], FunctionExecutionResultMessage)
    return "done" if has_found else calls("look_up")


def _team(tool: Callable[..., str]) -> RoundRobinGroupChat:
    tools = [FunctionTool(tool, "Look it up.", name="look_up")]
    agent = AssistantAgent(
        "caller", ScriptedModel(_answer), tools=[*tools], reflect_on_tool_use=True
    )
    return RoundRobinGroupChat([agent], max_turns=1)


@by_stop_and_cancel
@pytest.mark.parametrize("kind", ["plain", "with_token"])
async def test_a_tool_in_a_thread(kind: str, way: str) -> None:
    """The run settles at once while the thread goes on; the next run has a thread of its own."""
    slow = Slow()
    team = _team(getattr(slow, kind))
    await stop(team, slow.is_called.wait(), way)
    assert slow.ended == 0
    slow.let_go.set()
    assert words(await run_again(team)) == ["again", "done"]
    await asyncio.get_running_loop().shutdown_default_executor()
    assert slow.ended == 2
