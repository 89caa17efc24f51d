from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.ui import Console
from work import dig, digging


async def main() -> None:
    model = digging()
    agent = AssistantAgent("digger", model, tools=[dig], reflect_on_tool_use=True)
    await Console(agent.run_stream(task="Dig a hole"))
    await model.close()


asyncio.run(main())
