from __future__ import annotations

import asyncio
import warnings

import uvloop
from autogen_agentchat.agents import AssistantAgent
from work import thinking

warnings.simplefilter("ignore")
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
try:
    result = loop.run_until_complete(AssistantAgent("assistant", thinking()).run(task="Hello"))
    print(result.stop_reason)
finally:
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    print("loop closed")
