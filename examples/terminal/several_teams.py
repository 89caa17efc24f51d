"""Several teams at once: one Ctrl-C stops them all, and each has its own result.

.venv/bin/python examples/terminal/several_teams.py    and press Ctrl-C
"""

from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import ScriptedModel  # in place of your model client


def make_team(seconds: float) -> RoundRobinGroupChat:
    """Make a team whose model takes so many seconds for each word."""
    model = ScriptedModel([f"This is number {number}." for number in range(1, 21)], seconds=seconds)
    return RoundRobinGroupChat([AssistantAgent("counter", model)], max_turns=20)


async def main() -> None:
    """Run three teams of different speed side by side."""
    async with Supervisor() as sup:
        runs = [
            asyncio.create_task(sup.stream(make_team(seconds), "Count to 20"))
            for seconds in (0.1, 0.2, 0.4)
        ]
        await asyncio.sleep(0)  # they begin
        print("Three teams are counting.", flush=True)
        for number, result in enumerate(await asyncio.gather(*runs), start=1):
            kept = len(result.messages)
            print(f"Team {number}: {result.stop_reason}; {kept} messages kept.", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
