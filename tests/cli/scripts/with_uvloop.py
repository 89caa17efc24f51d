from __future__ import annotations

import asyncio

import uvloop
from autogen_agentchat.agents import AssistantAgent
from work import thinking


async def main() -> None:
    print(type(asyncio.get_running_loop()).__module__)
    print((await AssistantAgent("assistant", thinking()).run(task="Hello")).stop_reason)


uvloop.run(main())
