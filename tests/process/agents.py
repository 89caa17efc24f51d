"""The agents of the programs under test: each does one thing that makes a team hard to stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    ModelClientStreamingChunkEvent,
    TextMessage,
)
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import CreateResult, RequestUsage
from autogen_ext.models.replay import ReplayChatCompletionClient

from tests.process.server import tell

Events = AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]
Work = Callable[["Worker"], AsyncGenerator[str, None]]


class Worker(BaseChatAgent):
    """Streams what `work` yields as chunks, and then says that it is done."""

    def __init__(self, name: str, work: Work) -> None:
        super().__init__(name, "It works.")
        self._work = work

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """Text."""
        return (TextMessage,)

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Not used: the team streams."""
        raise NotImplementedError

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Events:
        """Do the work."""
        async for chunk in self._work(self):
            yield ModelClientStreamingChunkEvent(content=chunk, source=self.name)
        yield Response(chat_message=TextMessage(content="done", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Nothing to forget."""


def speaks(fact: str, seconds: float) -> Work:
    """Tell a fact after the first chunk, and take so long over the second."""

    async def work(agent: Worker) -> AsyncGenerator[str, None]:
        yield "a word"
        tell(fact)
        await asyncio.sleep(seconds)
        yield "another"

    return work


def waits(seconds: float) -> Work:
    """Yield nothing, as while a model thinks."""

    async def work(agent: Worker) -> AsyncGenerator[str, None]:
        tell("busy")
        await asyncio.sleep(seconds)
        yield "at last"

    return work


def chats(seconds: float) -> Work:
    """Yield a chunk every few milliseconds."""

    async def work(agent: Worker) -> AsyncGenerator[str, None]:
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            yield f"{number} "
            number += 1
            if number == 5:
                tell("busy")
            await asyncio.sleep(0.003)

    return work


def bursts(seconds: float) -> Work:
    """Yield 20,000 chunks at once; they wait in AutoGen's queue."""

    async def work(agent: Worker) -> AsyncGenerator[str, None]:
        for _ in range(20_000):
            yield "x"
        tell("busy")  # the loop was held until here
        await asyncio.sleep(seconds)

    return work


def blocks(seconds: float) -> Work:
    """Hold the loop with synchronous code."""

    async def work(agent: Worker) -> AsyncGenerator[str, None]:
        tell("busy")
        hold_the_loop(seconds)
        yield "at last"

    return work


def hold_the_loop(seconds: float) -> None:
    """Sleep as a careless tool does."""
    time.sleep(seconds)


def keeps(seconds: float) -> Work:
    """Hold the loop with synchronous code that cannot be interrupted."""

    async def work(agent: Worker) -> AsyncGenerator[str, None]:
        tell("busy")
        keep_the_loop(seconds)
        yield "at last"

    return work


def keep_the_loop(seconds: float) -> None:
    """Sleep, whatever is raised; the report of a forced end must name this function."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(BaseException):
            time.sleep(end - time.monotonic())


def ignores(seconds: float, *, cancels: float) -> Work:
    """Never look at the token, and swallow so many cancellations."""

    async def work(agent: Worker) -> AsyncGenerator[str, None]:
        tell("busy")
        end, left = time.monotonic() + seconds, cancels
        while (now := time.monotonic()) < end:
            try:
                await asyncio.sleep(end - now)
            except asyncio.CancelledError:
                if left <= 0:
                    raise
                left -= 1
        yield "at last"

    return work


def reads(seconds: float) -> Work:
    """Wait for a line on stdin, in a thread of the loop's own pool."""

    async def work(agent: Worker) -> AsyncGenerator[str, None]:
        tell("busy")
        if seconds > 1:
            await asyncio.to_thread(input)
        yield "read"

    return work


def tool_caller(name: str, tool: Callable[..., Any], calls: int = 1) -> AssistantAgent:
    """An AssistantAgent whose model calls the tool, so often at once, and then sums up."""
    wanted = [FunctionCall(id=str(n), name=tool.__name__, arguments="{}") for n in range(calls)]
    usage = RequestUsage(prompt_tokens=1, completion_tokens=1)
    first = CreateResult(finish_reason="function_calls", content=wanted, usage=usage, cached=False)
    info: Any = {
        "vision": False,
        "function_calling": True,
        "json_output": False,
        "family": "unknown",
        "structured_output": False,
    }
    client = ReplayChatCompletionClient([first, "summed up"], model_info=info)
    return AssistantAgent(name, client, tools=[tool], reflect_on_tool_use=True)


def async_tool(seconds: float) -> Callable[[], Awaitable[str]]:
    """A tool that waits."""

    async def look_up() -> str:
        """Look something up."""
        tell("busy")
        await asyncio.sleep(seconds)
        return "found"

    return look_up


def sync_tool(seconds: float) -> Callable[[], str]:
    """A tool that AutoGen runs in a thread."""

    def look_up() -> str:
        """Look something up."""
        tell("busy")
        time.sleep(seconds)
        return "found"

    return look_up


class BreaksWhenCancelled(ReplayChatCompletionClient):
    """A model that waits, and that meets a cancellation with an error of its own."""

    def __init__(self, answers: Sequence[str], seconds: float) -> None:
        super().__init__(list(answers))
        self._seconds = seconds

    async def create(self, *args: Any, **kwargs: Any) -> CreateResult:
        """Wait, then answer."""
        if self._seconds:
            tell("busy")
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            raise RuntimeError("the connection was lost") from None
        return await super().create(*args, **kwargs)
