from __future__ import annotations

import asyncio

import nest_asyncio
from work import thinking

nest_asyncio.apply()

from autogen_agentchat.agents import AssistantAgent


async def inner() -> None:
    print((await AssistantAgent("assistant", thinking()).run(task="Hello")).stop_reason)


async def main() -> None:
    asyncio.run(inner())  # nested, which is what it is for


asyncio.run(main())
