"""Agents and teams of known cost, and the loops that they run on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

import uvloop
from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from supervisor.testing import ScriptedAgent

LOOPS: Final[dict[str, Callable[[], asyncio.AbstractEventLoop]]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}

# AutoGen's own records about handlers that were cancelled would drown the tables.
logging.getLogger("autogen_core").setLevel(logging.CRITICAL)


class Streamer(ScriptedAgent):
    """Streams `chunks` chunks with `pause` seconds after each.

    Args:
        chunks: The number of chunks.
        pause: Seconds; with 0 it does not yield to the loop.
        heeds: Whether the pause is linked to the token.
    """

    def __init__(self, chunks: int, pause: float = 0.0, *, heeds: bool = True) -> None:
        super().__init__("streamer", self._turn)
        self.chunks = chunks
        self._pause = pause
        self._heeds = heeds

    async def _turn(
        self, _heard: Sequence[BaseChatMessage], token: CancellationToken
    ) -> AsyncGenerator[str, None]:
        for _ in range(self.chunks):
            yield "word "  # always the same object, so that memory shows what others keep
            if self._pause:
                wait = asyncio.ensure_future(asyncio.sleep(self._pause))
                if self._heeds:
                    token.link_future(wait)
                await wait


def team_of(agent: BaseChatAgent, messages: int = 2) -> RoundRobinGroupChat:
    """Return a team of one that ends after `messages` messages, the task included."""
    return RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(messages))
