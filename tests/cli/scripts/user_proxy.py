from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.conditions import TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.ui import Console

from supervisor.testing import ScriptedModel


async def main():
    assistant = AssistantAgent("assistant", ScriptedModel(["A poem."]))
    user_proxy = UserProxyAgent("user_proxy", input_func=ask)
    team = RoundRobinGroupChat(
        [assistant, user_proxy], termination_condition=TextMentionTermination("APPROVE")
    )
    await Console(team.run_stream(task="Write a poem."))


def ask(prompt: str) -> str:
    print("at work", flush=True)
    return input(prompt)


asyncio.run(main())
