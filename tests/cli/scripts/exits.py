from __future__ import annotations

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from work import thinking


async def main() -> None:
    result = await AssistantAgent("assistant", thinking()).run(task="Hello")
    print(result.stop_reason)
    sys.exit(7)


asyncio.run(main())
