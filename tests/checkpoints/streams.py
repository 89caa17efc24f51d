"""A program with a run that is kept: `sup.stream(team, task, id=...)` in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.errors import LeaseLost
from supervisor.testing import ScriptedAgent
from tests.process.server import tell


def streams(url: str, run_id: str, lease: float, turns: int, pause: float, stays: int) -> None:
    """Have a team of one talk, and tell each turn, and how the run has ended.

    Args:
        url: The store.
        run_id: The run.
        lease: Seconds.
        turns: How many.
        pause: The seconds that each takes.
        stays: The turn that never ends by itself; 0 for none.
    """
    asyncio.run(_stream(url, run_id, lease, _team(turns, pause, stays)))


def _team(turns: int, pause: float, stays: int) -> RoundRobinGroupChat:
    spoken = 0

    async def speak(_messages: Sequence[BaseChatMessage], _token: Any) -> str:
        nonlocal spoken
        spoken += 1
        tell("turn", turn=spoken)
        await (asyncio.Event().wait() if spoken == stays else asyncio.sleep(pause))
        return f"turn {spoken}"

    speaker = ScriptedAgent("speaker", [speak] * turns)
    return RoundRobinGroupChat([speaker], termination_condition=MaxMessageTermination(turns + 1))


async def _stream(url: str, run_id: str, lease: float, team: RoundRobinGroupChat) -> None:
    async with Supervisor(checkpoints=url, lease=lease) as sup:
        try:
            result: TaskResult = await sup.stream(team, "Talk", id=run_id)
        except LeaseLost as error:
            tell("ended", error=type(error).__name__)
        else:
            tell("ended", error=None, messages=len(result.messages))
    tell("left")
