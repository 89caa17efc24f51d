from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken
from work import dig, digging


async def assistant_run() -> None:
    agent = AssistantAgent("assistant", digging(), tools=[dig])
    response = await agent.on_messages(
        [TextMessage(content="Dig", source="user")],
        cancellation_token=CancellationToken(),
    )
    print(response.inner_messages)
    print(response.chat_message)


asyncio.run(assistant_run())
