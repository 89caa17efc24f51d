from __future__ import annotations

import anyio
from autogen_agentchat.agents import AssistantAgent
from work import thinking


async def main(name: str) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(talk, name)


async def talk(name: str) -> None:
    print((await AssistantAgent(name, thinking()).run(task="Hello")).stop_reason)


anyio.run(main, "assistant")
