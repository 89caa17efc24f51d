"""#3156: Handle CTRL+C gracefully.

Reported for AutoGen 0.2; with 0.7.5, Ctrl-C during a tool that loops for ever does nothing either.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import ScriptedModel, calls


def loop_for_ever() -> str:
    """Press Ctrl-C, and loop for ever."""
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    while True:
        time.sleep(0.01)


def looping_team() -> RoundRobinGroupChat:
    """Make a team whose tool never returns."""
    model = ScriptedModel([calls("loop_for_ever")])
    return RoundRobinGroupChat([AssistantAgent("agent", model, tools=[loop_for_ever])])


async def alone() -> str:
    """Run it as any script does."""

    def say() -> None:
        print("still running 3 s later", flush=True)
        os._exit(0)

    threading.Timer(3, say).start()
    await looping_team().run(task="Loop")
    return "ended"


async def supervised() -> str:
    """Run it under a supervisor; its thread pool does not keep the process."""
    async with Supervisor() as sup:
        result = await sup.stream(looping_team(), "Loop")
        return f"{result.stop_reason}, with {len(result.messages)} messages"
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
