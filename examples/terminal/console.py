"""AutoGen's own Console accepts a supervised run, as it accepts `team.run_stream()`.

.venv/bin/python examples/terminal/console.py    and press Ctrl-C
"""

from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.ui import Console

from supervisor import Supervisor
from supervisor.testing import ScriptedModel  # in place of your model client


async def main() -> None:
    """Show a team in the Console."""
    model = ScriptedModel([f"This is number {number}." for number in range(1, 21)], seconds=0.2)
    counter = AssistantAgent("counter", model, model_client_stream=True)
    team = RoundRobinGroupChat([counter], max_turns=20)

    async with Supervisor() as sup:
        result = await Console(sup.stream(team, "Count from 1 to 20"))
        print(f"\n{result.stop_reason}; {len(result.messages)} messages kept.", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
