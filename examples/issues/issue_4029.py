"""#4029: Add Example of Cancellation Token.

A maintainer there: AgentChat may be able to "rely on standard python cancellation". It cannot yet.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import ScriptedModel


def ten_turns() -> tuple[RoundRobinGroupChat, list[str]]:
    """Make a team of ten turns of 0.1 s, and a list of its answers."""
    answers: list[str] = []

    async def answer(_messages: object) -> str:
        await asyncio.sleep(0.1)
        answers.append("Next.")
        return answers[-1]

    return RoundRobinGroupChat(
        [AssistantAgent("agent", ScriptedModel(answer))], max_turns=10
    ), answers


async def timed_out(run: Awaitable[object], answers: list[str]) -> str:
    """Await a run for at most 0.15 s, by asyncio's own means."""
    try:
        async with asyncio.timeout(0.15):
            await run
    except TimeoutError:
        when = "all 10 turns" if len(answers) == 10 else "a turn or two"
        return f"TimeoutError after {when}"
    return "no time-out"


async def alone() -> str:
    """Bound AutoGen's own run."""
    team, answers = ten_turns()
    return await timed_out(team.run(task="Go"), answers)


async def supervised() -> str:
    """Bound the supervised run."""
    team, answers = ten_turns()
    async with Supervisor(signals={}) as sup:
        return await timed_out(sup.stream(team, "Go"), answers)
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
