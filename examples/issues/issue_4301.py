"""#4301: Manual termination triggerable from outside a running chat.

The answer, ExternalTermination, ends a run between two turns; a turn may take for ever.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading

from autogen_agentchat.conditions import ExternalTermination
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import ScriptedAgent


def slow_team(begun: threading.Event) -> tuple[RoundRobinGroupChat, ExternalTermination]:
    """Make a team whose agent sets an event and then works for an hour, and its condition."""
    condition = ExternalTermination()

    async def work(_messages: object, _token: object) -> str:
        begun.set()
        await asyncio.sleep(3600)
        return "Done."

    team = RoundRobinGroupChat([ScriptedAgent("worker", work)], termination_condition=condition)
    return team, condition


async def alone() -> str:
    """Set the condition from another thread."""
    team, condition = slow_team(begun := threading.Event())
    running = asyncio.create_task(team.run(task="Work"))
    await asyncio.to_thread(begun.wait)
    await asyncio.to_thread(condition.set)
    await asyncio.wait([running], timeout=2)
    print("ended" if running.done() else "still running 2 s after set()", flush=True)
    os._exit(0)  # asyncio.run would wait for it


async def supervised() -> str:
    """Stop from another thread, as a web handler or a button does."""
    team, _condition = slow_team(begun := threading.Event())
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, "Work")
        running = asyncio.create_task(run)
        await asyncio.to_thread(begun.wait)
        await asyncio.to_thread(run.stop, "Stop was pressed")
        return str((await running).stop_reason)
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
