"""Shared by the measurements: agents of known cost, percentiles, and the RESULT line."""

from __future__ import annotations

import asyncio
import logging
import statistics
from collections.abc import AsyncGenerator, Callable, Sequence

import uvloop
from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from supervisor.testing import ScriptedAgent

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}

# AutoGen's own records about handlers that were cancelled would drown the figures.
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
        for number in range(self.chunks):
            yield str(number)
            if self._pause:
                wait = asyncio.ensure_future(asyncio.sleep(self._pause))
                if self._heeds:
                    token.link_future(wait)
                await wait


def team_of(agent: BaseChatAgent, messages: int = 2) -> RoundRobinGroupChat:
    """Return a team of one that ends after `messages` messages, the task included."""
    return RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(messages))


def centile(values: Sequence[float], part: float) -> float:
    """Return the value below which `part` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def result(what: str, figure: str) -> None:
    """Print a figure."""
    print(f"RESULT {what}: {figure}", flush=True)


def milliseconds(seconds: Sequence[float]) -> str:
    """Return the median and the 99th percentile."""
    median, p99 = statistics.median(seconds), centile(seconds, 0.99)
    return f"median {median * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms"
