"""The teams of the tests' fleets: each tells when a turn begins, and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from typing import Final

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import LLMMessage

from supervisor.testing import ScriptedModel, answers_so_far
from tests.process.server import tell

TURN_SECONDS: Final = "FLEET_TURN_SECONDS"
MESSAGES: Final = "FLEET_MESSAGES"


def talkers() -> RoundRobinGroupChat:
    """Return two agents that talk, one turn after the other."""
    seconds = float(os.environ.get(TURN_SECONDS, "0"))
    agents = [AssistantAgent(name, _model(n, seconds)) for n, name in enumerate(("odd", "even"))]
    most = MaxMessageTermination(int(os.environ.get(MESSAGES, "3")))
    return RoundRobinGroupChat(list(agents), termination_condition=most)


def _model(first: int, seconds: float) -> ScriptedModel:
    async def answer(transcript: Sequence[LLMMessage]) -> str:
        turn = 2 * answers_so_far(transcript) + first
        tell("begins", turn=turn, at=time.monotonic())
        await asyncio.sleep(seconds)
        tell("ends", turn=turn, at=time.monotonic())
        return f"That was turn {turn}."

    return ScriptedModel(answer)


def failing() -> RoundRobinGroupChat:
    """Return an agent whose model raises an error each time."""

    async def answer(_: Sequence[LLMMessage]) -> str:
        tell("begins", turn=0, at=time.monotonic())
        raise ValueError("the model is out of order")

    return RoundRobinGroupChat([AssistantAgent("poor", ScriptedModel(answer))])


def refusing() -> RoundRobinGroupChat:
    """Return an agent whose model does not let itself be cancelled."""

    async def answer(_: Sequence[LLMMessage]) -> str:
        tell("begins", turn=0, at=time.monotonic())
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)

    return RoundRobinGroupChat([AssistantAgent("mule", ScriptedModel(answer))])
