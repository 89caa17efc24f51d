"""The agents whose output a person looks at; each does one thing."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import FunctionExecutionResult

from supervisor.testing import ScriptedAgent
from tests.process.agents import keep_the_loop
from tests.process.server import tell

Heard = Sequence[BaseChatMessage]
Items = AsyncGenerator[str | BaseAgentEvent, None]

HOSTILE: Final = "\x1b[2J\x1b[H\x1b]0;owned\x07\x1b[?1049h\x1b[?25l\x9b2J\x08\x08\r\x1bc"
CJK: Final = "日本語の文は空白なしで続く。" * 5
WORDS: Final = 200


def poet() -> ScriptedAgent:
    """Make an agent that stops within a sentence."""

    async def turn(_heard: Heard, _: CancellationToken) -> Items:
        yield "To be, "
        yield "or not"
        tell("busy")
        await asyncio.sleep(3600)

    return ScriptedAgent("poet", turn)


def refuser() -> ScriptedAgent:
    """Make an agent that cannot be cancelled."""

    async def turn(_heard: Heard, _: CancellationToken) -> Items:
        yield "I refuse"
        tell("busy")
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue

    return ScriptedAgent("refuser", turn)


def keeper() -> ScriptedAgent:
    """Make an agent that blocks the loop, and cannot be interrupted."""

    async def turn(_heard: Heard, _: CancellationToken) -> Items:
        yield "I compute"
        await asyncio.sleep(0.2)
        tell("busy")
        keep_the_loop(60)

    return ScriptedAgent("keeper", turn)


def talker(*, goes_on: bool = False) -> ScriptedAgent:
    """Make an agent that says many words, one in a millisecond."""

    async def turn(_heard: Heard, _: CancellationToken) -> Items:
        for number in range(WORDS):
            yield f"w{number} " if number % 10 else f"\nw{number} "
            if number == WORDS // 2:
                tell("busy")
            await asyncio.sleep(0.001)
        if goes_on:
            await asyncio.sleep(3600)

    return ScriptedAgent("talker", turn)


def rambler() -> ScriptedAgent:
    """Make an agent that says the same, and does not come to an end."""
    return talker(goes_on=True)


def flood() -> ScriptedAgent:
    """Make an agent that says more than a terminal takes, and goes on."""

    async def turn(_heard: Heard, _: CancellationToken) -> Items:
        for number in itertools.count():
            yield f"line {number} of a flood that nobody reads\n"
            if number == 5000:
                tell("busy")
            await asyncio.sleep(0)

    return ScriptedAgent("flood", turn)


def writer() -> ScriptedAgent:
    """Make an agent that writes Chinese characters, one by one."""

    async def turn(_heard: Heard, _: CancellationToken) -> Items:
        for character in CJK:
            yield character
            await asyncio.sleep(0.001)

    return ScriptedAgent("writer", turn)


def attacker() -> ScriptedAgent:
    """Make an agent that writes escape sequences, also in pieces."""

    async def turn(_heard: Heard, _: CancellationToken) -> Items:
        yield "before"
        for character in HOSTILE:
            yield character
        yield "after"

    return ScriptedAgent("attacker", turn)


def tooler() -> ScriptedAgent:
    """Make an agent whose tool prints, by Python and by a child process, and takes its time."""

    async def turn(_heard: Heard, _: CancellationToken) -> Items:
        yield "Let me see: "
        print("printed by a tool")
        print("complained by a tool", file=sys.stderr)
        subprocess.run(["echo", "printed by a child"], check=True)  # noqa: ASYNC221 - as tools do
        call = FunctionCall(id="1", name="search", arguments='{"query": "cats"}')
        yield ToolCallRequestEvent(source="tooler", content=[call])
        tell("busy")
        await asyncio.sleep(1.2)
        result = FunctionExecutionResult(call_id="1", name="search", content="x", is_error=False)
        yield ToolCallExecutionEvent(source="tooler", content=[result])
        yield "done"

    return ScriptedAgent("tooler", turn)
