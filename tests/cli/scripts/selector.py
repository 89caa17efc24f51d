from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import SelectorGroupChat
from work import thinking


async def main() -> None:
    planner = AssistantAgent("planner", thinking(), description="Makes a plan.")
    searcher = AssistantAgent("searcher", thinking(), description="Looks things up.")
    team = SelectorGroupChat(
        [planner, searcher],
        model_client=thinking(),
        termination_condition=MaxMessageTermination(10),
        allow_repeated_speaker=True,
    )
    async for message in team.run_stream(task="Who won?"):
        if isinstance(message, TaskResult):
            print("result:", message.stop_reason)
        else:
            print(message.source)


asyncio.run(main())
