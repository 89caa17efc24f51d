from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import MagenticOneGroupChat
from autogen_agentchat.ui import Console
from work import thinking


async def main() -> None:
    assistant = AssistantAgent("assistant", thinking())
    team = MagenticOneGroupChat([assistant], model_client=thinking())
    await Console(team.run_stream(task="Prove a theorem."))


asyncio.run(main())
