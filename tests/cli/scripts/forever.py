from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from work import thinking


async def main() -> None:
    print((await AssistantAgent("assistant", thinking()).run(task="Hello")).stop_reason)


loop = asyncio.new_event_loop()
task = loop.create_task(main())
try:
    loop.run_forever()
except KeyboardInterrupt:
    print("interrupted")
finally:
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    print("loop closed")
