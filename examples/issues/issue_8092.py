"""#8092: Add regression coverage for AssistantAgent stream cleanup after cancellation.

A loop over `run_stream()` that is left by `break` leaves the team at work in the background.
"""

from __future__ import annotations

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import ScriptedModel


def counting_team() -> tuple[RoundRobinGroupChat, list[int]]:
    """Make a team of five turns, and a list with an item for each request to its model."""
    requests: list[int] = []

    async def count(_messages: object) -> str:
        requests.append(len(requests))
        await asyncio.sleep(0.01)
        return "Next."

    agent = AssistantAgent("counter", ScriptedModel(count))
    return RoundRobinGroupChat([agent], max_turns=5), requests


async def alone() -> str:
    """Leave the loop at the first event."""
    team, requests = counting_team()
    async for _ in team.run_stream(task="Count"):
        break
    await asyncio.sleep(1)
    return f"{len(requests)} requests to the model after break"


async def supervised() -> str:
    """Leave the loop at the first event."""
    team, requests = counting_team()
    async with Supervisor(signals={}) as sup:
        async for _ in sup.stream(team, "Count"):
            break
        await asyncio.sleep(0.3)
        return f"{max(0, len(requests) - 1)} further requests to the model after break"
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
