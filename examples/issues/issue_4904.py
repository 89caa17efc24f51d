"""#4904: Handling policy for unhandled agent exceptions.

Since then a run raises what an agent raises, if it is an `Exception`. Anything else still hangs it.
"""

from __future__ import annotations

import asyncio
import os
import sys

from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import ScriptedAgent


class Panic(BaseException):
    """An exception that is no `Exception`, such as the panic of a library written in Rust."""


async def fail(_messages: object, _token: object) -> str:
    """Take a turn that fails."""
    await asyncio.sleep(0)
    raise Panic("the index is out of bounds")


async def alone() -> str:
    """Await the run."""
    team = RoundRobinGroupChat([ScriptedAgent("agent", fail)])
    running = asyncio.create_task(team.run(task="Go"))
    await asyncio.wait([running], timeout=2)
    print("ended" if running.done() else "still running 2 s after the exception", flush=True)
    os._exit(0)  # asyncio.run would wait for it


async def supervised() -> str:
    """Await the run."""
    team = RoundRobinGroupChat([ScriptedAgent("agent", fail)])
    async with Supervisor(signals={}) as sup:
        try:
            await sup.stream(team, "Go")
        except Panic as error:
            return f"Panic: {error}"
        return "no exception"
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
