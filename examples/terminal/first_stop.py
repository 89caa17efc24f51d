"""The first stop: Ctrl-C ends the team's work at once, and the result is still there.

.venv/bin/python examples/terminal/first_stop.py    and press Ctrl-C
"""

from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import ScriptedModel  # in place of your model client


async def main() -> None:
    """Run one team, and print how it ended."""
    model = ScriptedModel([f"This is number {number}." for number in range(1, 21)], seconds=0.2)
    team = RoundRobinGroupChat([AssistantAgent("counter", model)], max_turns=20)

    async with Supervisor() as sup:
        run = sup.stream(team, "Count from 1 to 20")
        async for event in run:
            if isinstance(event, TextMessage):
                print(f"{event.source}: {event.content}", flush=True)
        # After Ctrl-C the loop has ended, the team is at rest, and this line is reached.
        result = await run
        print(f"{result.stop_reason}; {len(result.messages)} messages kept.", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
