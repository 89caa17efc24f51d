"""#7828: Liveness Failure: BaseGroupChatManager hangs indefinitely if a speaker fails to respond.

AutoGen has no time limit for an agent; the supervisor has one for a run.
"""

from __future__ import annotations

import asyncio
import os
import sys

from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import ScriptedAgent


async def never(_messages: object, _token: object) -> str:
    """Take a turn that never ends."""
    await asyncio.Event().wait()
    return "never"


def stuck_team() -> RoundRobinGroupChat:
    """Make a team whose second agent never answers."""
    return RoundRobinGroupChat([ScriptedAgent("first", ["Hello."]), ScriptedAgent("stuck", never)])


async def alone() -> str:
    """Bound the run as asyncio can."""
    running = asyncio.create_task(asyncio.wait_for(stuck_team().run(task="Talk"), 0.3))
    await asyncio.wait([running], timeout=2)
    print("ended" if running.done() else "still running 2 s after a time-out of 0.3 s", flush=True)
    os._exit(0)  # asyncio.run would wait for it


async def supervised() -> str:
    """Give the run a time limit; what was said until then is in the result."""
    async with Supervisor(signals={}) as sup:
        result = await sup.stream(stuck_team(), "Talk", timeout=0.3)
        return f"{result.stop_reason}; the last message: {result.messages[-1].to_text()}"
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
