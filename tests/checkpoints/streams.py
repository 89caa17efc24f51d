"""A program with a run that is kept: `sup.stream(team, task, id=...)` in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import LLMMessage

from supervisor import Supervisor
from supervisor.errors import LeaseLost
from supervisor.testing import ScriptedModel, answers_so_far
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
    async def speak(messages: Sequence[LLMMessage]) -> str:
        turn = answers_so_far(messages) + 1
        tell("turn", turn=turn)
        await (asyncio.Event().wait() if turn == stays else asyncio.sleep(pause))
        return f"turn {turn}"

    speaker = AssistantAgent("speaker", ScriptedModel([speak] * turns))
    return RoundRobinGroupChat([speaker], termination_condition=MaxMessageTermination(turns + 1))


async def _stream(url: str, run_id: str, lease: float, team: RoundRobinGroupChat) -> None:
    async with Supervisor(checkpoints=url, lease=lease) as sup:
        try:
            result: TaskResult = await sup.stream(team, "Talk", id=run_id)
        except LeaseLost as error:
            tell("ended", error=type(error).__name__)
        else:
            said = [message.to_text() for message in result.messages]
            tell("ended", error=None, said=said)
    tell("left")
