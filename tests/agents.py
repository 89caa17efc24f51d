"""Agents, models and teams for tests: each misbehaves in one way, and needs no network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent, Team
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.models import LLMMessage

from supervisor.testing import Said, ScriptedAgent, ScriptedModel

FOREVER = 3600.0


class Agent(ScriptedAgent):
    """Answers "done"; the others say what they do before they answer.

    Args:
        name: Its name.
        chunks: How many chunks it streams first.
    """

    def __init__(self, name: str = "agent", chunks: int = 0) -> None:
        super().__init__(name, self._turn)
        self.chunks = chunks
        self.turns = 0

    async def _turn(
        self, _heard: Sequence[BaseChatMessage], token: CancellationToken
    ) -> AsyncGenerator[str | BaseChatMessage, None]:
        for number in range(self.chunks):
            yield str(number)
            await self.rest(token)
        await self.work(token)
        self.turns += 1
        yield TextMessage(content="done", source=self.name)

    async def rest(self, token: CancellationToken) -> None:
        """Pause after a chunk; not even a step of the loop here."""

    async def work(self, token: CancellationToken) -> None:
        """Do what a turn consists of; nothing here."""


class Streaming(Agent):
    """Streams `n` chunks with a pause after each.

    Args:
        name: Its name.
        n: How many chunks.
        pause: Seconds after each chunk; 0 for none, not even a step of the loop.
        heeds: Whether its pauses are linked to the cancellation token.
    """

    def __init__(
        self, name: str = "streaming", n: int = 3, pause: float = 0.0, *, heeds: bool = True
    ) -> None:
        super().__init__(name, n)
        self.pause, self.heeds = pause, heeds

    async def rest(self, token: CancellationToken) -> None:
        """Pause."""
        if self.pause > 0:
            nap = asyncio.ensure_future(asyncio.sleep(self.pause))
            if self.heeds:
                token.link_future(nap)
            await nap


class Deaf(Agent):
    """Never looks at the token: waits for `seconds`, and lets a cancellation of its task through.

    Args:
        name: Its name.
        seconds: How long.
    """

    def __init__(self, name: str = "deaf", seconds: float = FOREVER) -> None:
        super().__init__(name)
        self.seconds = seconds

    async def work(self, token: CancellationToken) -> None:
        """Wait."""
        await asyncio.sleep(self.seconds)


class Stubborn(Agent):
    """Swallows every cancellation, and works until `let_go` is set (or `seconds` are over).

    Args:
        name: Its name.
        seconds: How long it works where nobody lets it go.
    """

    def __init__(self, name: str = "stubborn", seconds: float = FOREVER) -> None:
        super().__init__(name)
        self.let_go = asyncio.Event()
        self.until_go = seconds
        self.swallowed = 0

    async def work(self, token: CancellationToken) -> None:
        """Work on, whatever happens."""
        end = time.monotonic() + self.until_go
        while not self.let_go.is_set() and time.monotonic() < end:
            try:
                await asyncio.wait_for(self.let_go.wait(), end - time.monotonic())
            except TimeoutError:
                break
            except asyncio.CancelledError:
                self.swallowed += 1


class Tidy(Agent):
    """Waits for ever; cancelled, it needs `seconds` of its `finally`, which it counts as `tidied`.

    Args:
        name: Its name.
        seconds: How long its `finally` takes.
    """

    def __init__(self, name: str = "tidy", seconds: float = 0.02) -> None:
        super().__init__(name)
        self.seconds = seconds
        self.tidied = 0

    async def work(self, token: CancellationToken) -> None:
        """Wait; then tidy up."""
        try:
            await asyncio.sleep(FOREVER)
        finally:
            await asyncio.sleep(self.seconds)
            self.tidied += 1


class Blocker(Agent):
    """Blocks the loop for `seconds`, as a synchronous call in a coroutine does.

    Args:
        name: Its name.
        seconds: How long.
    """

    def __init__(self, name: str = "blocker", seconds: float = 0.1) -> None:
        super().__init__(name)
        self.seconds = seconds

    async def work(self, token: CancellationToken) -> None:
        """Block."""
        time.sleep(self.seconds)  # noqa: ASYNC251 - that is what it is for


class Failing(Agent):
    """Raises once it is told to (at once, by default).

    Args:
        name: Its name.
        error: What it raises.
        chunks: How many chunks it streams before.
    """

    def __init__(
        self, name: str = "failing", error: BaseException | None = None, chunks: int = 0
    ) -> None:
        super().__init__(name, chunks)
        self.error = error or ValueError("the agent's own")

    async def work(self, token: CancellationToken) -> None:
        """Raise."""
        raise self.error


class BreaksOnCancel(ScriptedModel):
    """A model whose request never ends, and turns a cancellation into an ordinary error."""

    def __init__(self) -> None:
        super().__init__(self._wait, on_cancel="raise")
        self.is_asked = asyncio.Event()

    async def _wait(self, _messages: Sequence[LLMMessage]) -> str:
        self.is_asked.set()
        await asyncio.sleep(FOREVER)
        raise AssertionError("for ever is over")


class Gate:
    """Async tools that wait until they are let through, or are cancelled."""

    def __init__(self) -> None:
        self.is_entered = asyncio.Event()
        self.let_go = asyncio.Event()
        self.entered = 0
        self.cancelled = 0

    async def wait(self) -> str:
        """Wait at the gate."""
        self.entered += 1
        self.is_entered.set()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "let through"


def scripted(
    name: str,
    answers: Sequence[Said],
    *tools: Callable[..., Any] | Callable[..., Awaitable[Any]],
    streams: bool = False,
) -> AssistantAgent:
    """Return an `AssistantAgent` whose model gives these answers, one after the other.

    Args:
        name: Its name.
        answers: Texts, and what `calls()` makes.
        tools: Functions that it may call.
        streams: Whether the model's texts come in chunks.
    """
    model = ScriptedModel(answers)
    return AssistantAgent(name, model, tools=list(tools), model_client_stream=streams)


def team(*members: ChatAgent | Team, turns: int = 4, name: str = "team") -> RoundRobinGroupChat:
    """Return a team of members who take turns until there are so many messages, the task included.

    Args:
        members: Agents or teams.
        turns: How many answers a run consists of.
        name: Its name.
    """
    condition = MaxMessageTermination(turns + 1)
    return RoundRobinGroupChat(list(members), name=name, termination_condition=condition)


def nested(innermost: ChatAgent, depth: int = 3, turns: int = 2) -> RoundRobinGroupChat:
    """Return an agent within so many teams; the outermost has a second member, too.

    Args:
        innermost: The agent.
        depth: How many teams.
        turns: How many answers the outermost team's run consists of.
    """
    inner: ChatAgent | Team = innermost
    for level in range(depth, 1, -1):
        inner = RoundRobinGroupChat([inner], name=f"level{level}", max_turns=1)
    # AutoGen fails where an inner team's turn comes and nobody has spoken since its last.
    return team(inner, Agent("other"), turns=turns, name="level1")
