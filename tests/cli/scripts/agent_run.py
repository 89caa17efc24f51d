from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from work import thinking


async def main() -> None:
    print(await AssistantAgent("assistant", thinking()).run(task="Say hello"))


asyncio.run(main())
