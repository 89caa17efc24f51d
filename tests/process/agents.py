"""The agents of the programs under test: each does one thing that makes a team hard to stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import BaseChatMessage
from autogen_core import CancellationToken
from autogen_core.models import LLMMessage

from supervisor.testing import ScriptedAgent, ScriptedModel
from supervisor.testing import calls as calls_of
from tests.process.server import tell

Work = Callable[[], AsyncGenerator[str, None]]


def streamer(name: str, work: Work) -> ScriptedAgent:
    """Make an agent that streams what `work` yields."""

    def turn(_heard: Sequence[BaseChatMessage], _: CancellationToken) -> AsyncGenerator[str, None]:
        return work()

    return ScriptedAgent(name, turn)


def speaks(fact: str, seconds: float) -> Work:
    """Report a fact after the first chunk, and take so long over the second."""

    async def work() -> AsyncGenerator[str, None]:
        yield "a word"
        tell(fact)
        await asyncio.sleep(seconds)
        yield "another"

    return work


def waits(seconds: float) -> Work:
    """Yield nothing, as while a model thinks."""

    async def work() -> AsyncGenerator[str, None]:
        tell("busy")
        await asyncio.sleep(seconds)
        yield "at last"

    return work


def chats(seconds: float) -> Work:
    """Yield a chunk every few milliseconds."""

    async def work() -> AsyncGenerator[str, None]:
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

    async def work() -> AsyncGenerator[str, None]:
        for _ in range(20_000):
            yield "x"
        tell("busy")  # the loop was held until here
        await asyncio.sleep(seconds)

    return work


def blocks(seconds: float) -> Work:
    """Block the loop with synchronous code."""

    async def work() -> AsyncGenerator[str, None]:
        tell("busy")
        hold_the_loop(seconds)
        yield "at last"

    return work


def hold_the_loop(seconds: float) -> None:
    """Sleep as a careless tool does."""
    time.sleep(seconds)


def keeps(seconds: float) -> Work:
    """Block the loop with synchronous code that cannot be interrupted."""

    async def work() -> AsyncGenerator[str, None]:
        tell("busy")
        keep_the_loop(seconds)
        yield "at last"

    return work


def keep_the_loop(seconds: float) -> None:
    """Sleep, whatever is raised; the report of a forced end has to name this function."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(BaseException):
            time.sleep(end - time.monotonic())


def ignores(seconds: float, *, cancels: float) -> Work:
    """Never look at the token, and swallow so many cancellations."""

    async def work() -> AsyncGenerator[str, None]:
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

    async def work() -> AsyncGenerator[str, None]:
        tell("busy")
        if seconds > 1:
            await asyncio.to_thread(input)
        yield "read"

    return work


def tool_caller(name: str, tool: Callable[..., Any], calls: int = 1) -> AssistantAgent:
    """Return an AssistantAgent whose model calls the tool so often at once, and sums up."""
    model = ScriptedModel([calls_of(*[tool.__name__] * calls), "summed up"])
    return AssistantAgent(name, model, tools=[tool], reflect_on_tool_use=True)


def async_tool(seconds: float) -> Callable[[], Awaitable[str]]:
    """Wait, as a tool."""

    async def look_up() -> str:
        """Look something up."""
        tell("busy")
        await asyncio.sleep(seconds)
        return "found"

    return look_up


def sync_tool(seconds: float) -> Callable[[], str]:
    """Wait, as a tool that AutoGen runs in a thread."""

    def look_up() -> str:
        """Look something up."""
        tell("busy")
        time.sleep(seconds)
        return "found"

    return look_up


def model_that_breaks(answers: Sequence[str], seconds: float) -> ScriptedModel:
    """Make a model that waits, and that turns a cancellation into an error of its own."""
    left = iter(answers)

    async def answer(_: Sequence[LLMMessage]) -> str:
        if seconds:
            tell("busy")
        await asyncio.sleep(seconds)
        return next(left)

    return ScriptedModel(answer, on_cancel="raise", user_first=False)
