"""The teams and agents with which the tests converse; each does one thing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Sequence

from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from supervisor.testing import ScriptedAgent
from tests.process.agents import keep_the_loop
from tests.process.server import tell

Heard = Sequence[BaseChatMessage]

logger = logging.getLogger("tool")


def echo() -> ScriptedAgent:
    """Make an agent that repeats what it has heard, and counts it."""

    async def turn(heard: Heard, _: CancellationToken) -> AsyncGenerator[str, None]:
        yield f"{len(heard)}: {heard[-1].to_text()}"

    return ScriptedAgent("echo", turn)


def waiter() -> ScriptedAgent:
    """Make an agent that streams a word, and then waits, unless it is told "now"."""

    async def turn(heard: Heard, _: CancellationToken) -> AsyncGenerator[str, None]:
        yield "Well, "
        if heard[-1].to_text() != "now":
            tell("busy")
            await asyncio.sleep(3600)
        yield f"{len(heard)} heard"

    return ScriptedAgent("waiter", turn)


def talker() -> ScriptedAgent:
    """Make an agent that says a thousand words, one every few milliseconds."""

    async def turn(_heard: Heard, _: CancellationToken) -> AsyncGenerator[str, None]:
        tell("busy")
        for number in range(1000):
            yield f"word{number} "
            await asyncio.sleep(0.01)

    return ScriptedAgent("talker", turn)


def sleeper() -> ScriptedAgent:
    """Make an agent that blocks the loop for three seconds, as a careless tool does."""

    async def turn(_heard: Heard, _: CancellationToken) -> AsyncGenerator[str, None]:
        await asyncio.sleep(0.2)  # so that what was typed is seen before
        tell("busy")
        time.sleep(3)  # noqa: ASYNC251
        yield "slept"

    return ScriptedAgent("sleeper", turn)


def keeper() -> ScriptedAgent:
    """Make an agent that blocks the loop, and cannot be interrupted."""

    async def turn(_heard: Heard, _: CancellationToken) -> AsyncGenerator[str, None]:
        tell("busy")
        keep_the_loop(60)
        yield "at last"

    return ScriptedAgent("keeper", turn)


def mule() -> ScriptedAgent:
    """Make an agent that cannot be cancelled."""

    async def turn(heard: Heard, _: CancellationToken) -> AsyncGenerator[str, None]:
        tell("busy")
        while heard:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
        yield ""

    return ScriptedAgent("mule", turn)


def inputter() -> ScriptedAgent:
    """Make an agent that asks by `input()`."""

    async def turn(_heard: Heard, _: CancellationToken) -> AsyncGenerator[str, None]:
        yield input("Your name? ")  # noqa: ASYNC250

    return ScriptedAgent("inputter", turn)


def asker() -> RoundRobinGroupChat:
    """Make a team that asks the user first."""
    return RoundRobinGroupChat([UserProxyAgent("person"), echo()], max_turns=2)


def printer() -> ScriptedAgent:
    """Make an agent that prints and logs, as a tool may."""
    logger.addHandler(logging.StreamHandler())

    async def turn(_heard: Heard, _: CancellationToken) -> AsyncGenerator[str, None]:
        print("printed by a tool")
        logger.warning("logged by a tool")
        yield "done"

    return ScriptedAgent("printer", turn)


def echo_and_waiter() -> RoundRobinGroupChat:
    """Make a team whose first member answers, and whose second waits."""
    return RoundRobinGroupChat([echo(), waiter()], max_turns=2)


def measurer() -> ScriptedAgent:
    """Make an agent that says how long the last message was."""

    async def turn(heard: Heard, _: CancellationToken) -> AsyncGenerator[str, None]:
        yield f"{len(heard[-1].to_text())} characters"

    return ScriptedAgent("measurer", turn)


def two() -> RoundRobinGroupChat:
    """Make a team of two that talk for long; each turn takes a moment."""

    def speaker(name: str) -> ScriptedAgent:
        async def turn(heard: Heard, _: CancellationToken) -> AsyncGenerator[str, None]:
            tell("turn")
            await asyncio.sleep(0.3)
            yield f"{name}: {heard[-1].to_text()}"

        return ScriptedAgent(name, turn)

    return RoundRobinGroupChat([speaker("ann"), speaker("bob")], max_turns=100)


class _Forgetful(ScriptedAgent):
    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        tell("busy")
        time.sleep(60)  # noqa: ASYNC251 - as careless code does


def forgetful() -> ScriptedAgent:
    """Make an agent whose reset blocks the loop."""
    return _Forgetful("forgetful", ["One", "Two"])
