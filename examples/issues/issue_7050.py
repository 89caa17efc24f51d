"""#7050: human interrupt immediately during a run.

After a cancelled turn, AutoGen's manager still waits for that speaker: the next run ends at once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from supervisor import Supervisor
from supervisor.testing import ScriptedAgent


def writers() -> tuple[RoundRobinGroupChat, asyncio.Event]:
    """Make a team whose coder is on the wrong track, and an event that is set when it is."""
    wrong = asyncio.Event()

    async def code(messages: Sequence[BaseChatMessage], token: CancellationToken) -> str:
        if "other plan" not in messages[-1].to_text():
            wrong.set()
            waiting = asyncio.ensure_future(asyncio.sleep(3600))
            token.link_future(waiting)
            await waiting
        return "The other plan works."

    coder, critic = ScriptedAgent("coder", code), ScriptedAgent("critic", ["Good."])
    return RoundRobinGroupChat([coder, critic], max_turns=2), wrong


def told(result: TaskResult) -> str:
    """Return who has answered the user, and why that run ended."""
    sources = [message.source for message in result.messages[1:]]
    return f"the next run: {', '.join(sources)} ({result.stop_reason})"


async def alone() -> str:
    """Cancel the token, and give the team the user's words."""
    (team, wrong), token = writers(), CancellationToken()
    running = asyncio.create_task(team.run(task="Code", cancellation_token=token))
    await wrong.wait()
    token.cancel()
    await asyncio.wait([running])
    return told(await team.run(task="Use the other plan"))


async def supervised() -> str:
    """Stop the run in the middle of a turn, and give the team the user's words."""
    team, wrong = writers()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, "Code")
        running = asyncio.create_task(run)
        await wrong.wait()
        run.stop("The user says no")
        await running
        return told(await sup.stream(team, "Use the other plan"))
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
