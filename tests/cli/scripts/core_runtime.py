from __future__ import annotations

import asyncio
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    message_handler,
)
from work import think


@dataclass
class MyMessage:
    content: str


class MyAgent(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("An agent")

    @message_handler
    async def handle(self, message: MyMessage, ctx: MessageContext) -> None:
        await think(())


async def main() -> None:
    runtime = SingleThreadedAgentRuntime()
    await MyAgent.register(runtime, "my_agent", lambda: MyAgent())
    runtime.start()
    await runtime.send_message(MyMessage("Hello"), AgentId("my_agent", "default"))
    await runtime.stop_when_idle()
    await runtime.close()


asyncio.run(main())
