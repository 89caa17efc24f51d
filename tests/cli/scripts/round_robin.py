from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from work import thinking

writer = AssistantAgent("writer", thinking(), system_message="Write.")
critic = AssistantAgent("critic", thinking(), system_message="Say APPROVE when it is good.")
team = RoundRobinGroupChat(
    [writer, critic],
    termination_condition=TextMentionTermination("APPROVE") | MaxMessageTermination(20),
)


async def main():
    result = await team.run(task="Write a poem about the sea.")
    print("result:", result.stop_reason)


if __name__ == "__main__":
    asyncio.run(main())
    print("went on")
