"""Stop from code: one run, one run after a time limit, and then the rest, from another thread.

.venv/bin/python examples/terminal/stop_from_code.py    (ends by itself after a second)
"""

from __future__ import annotations

import asyncio
import threading

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import ScriptedModel  # in place of your model client


def make_team() -> RoundRobinGroupChat:
    """Make a team that is at work for some seconds."""
    model = ScriptedModel([f"This is number {number}." for number in range(1, 21)], seconds=0.2)
    return RoundRobinGroupChat([AssistantAgent("counter", model)], max_turns=20)


async def main() -> None:
    """Stop three runs in three ways."""
    async with Supervisor(signals={}) as sup:  # no handlers: a guest in somebody's program
        impatient = sup.stream(make_team(), "Count to 20", timeout=0.3)
        unwanted = sup.stream(make_team(), "Count to 20")
        last = sup.stream(make_team(), "Count to 20")

        loop = asyncio.get_running_loop()
        loop.call_later(0.5, unwanted.stop, "The client went away")
        threading.Timer(1.0, sup.stop, ["The shop closes"]).start()  # safe from any thread

        for result in await asyncio.gather(impatient, unwanted, last):
            print(f"{result.stop_reason}; {len(result.messages)} messages kept.", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
