from __future__ import annotations

import asyncio
import os
import signal

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from work import thinking

token = CancellationToken()


def handle(number, frame):
    os.write(1, b"asked to stop\n")  # `print` may be interrupted in the middle of itself
    token.cancel()


signal.signal(signal.SIGINT, handle)
signal.signal(signal.SIGTERM, handle)


async def main():
    agent = AssistantAgent("assistant", thinking(), model_client_stream=True)
    team = RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(5))
    try:
        async for item in team.run_stream(task="Talk", cancellation_token=token):
            print(type(item).__name__, flush=True)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
    print("main is over", flush=True)


asyncio.run(main())
