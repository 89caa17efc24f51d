from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from work import thinking

agent = AssistantAgent("assistant", thinking())


async def main() -> None:
    import nest_asyncio

    nest_asyncio.apply()
    loop = asyncio.get_event_loop()
    print(loop.run_until_complete(agent.run(task="Hello")).stop_reason)


asyncio.run(main())
