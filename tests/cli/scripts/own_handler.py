from __future__ import annotations

import asyncio
import signal

from autogen_agentchat.agents import AssistantAgent
from work import thinking


async def main() -> None:
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    talk = asyncio.create_task(AssistantAgent("assistant", thinking()).run(task="Hello"))
    await asked.wait()
    print("asked to stop", flush=True)
    print("result:", (await talk).stop_reason)


asyncio.run(main())
