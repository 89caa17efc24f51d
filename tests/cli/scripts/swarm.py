from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import HandoffTermination, TextMentionTermination
from autogen_agentchat.messages import HandoffMessage
from autogen_agentchat.teams import Swarm
from autogen_agentchat.ui import Console
from work import dig

from supervisor.testing import ScriptedModel, calls


async def run_team_stream() -> None:
    model = ScriptedModel([calls("transfer_to_user"), calls("dig"), "TERMINATE"])
    agent = AssistantAgent("agent", model, handoffs=["user"], tools=[dig])
    termination = HandoffTermination(target="user") | TextMentionTermination("TERMINATE")
    team = Swarm([agent], termination_condition=termination)

    task_result = await Console(team.run_stream(task="I need a refund."))
    last_message = task_result.messages[-1]
    while isinstance(last_message, HandoffMessage) and last_message.target == "user":
        user_message = "A hundred"
        task_result = await Console(
            team.run_stream(
                task=HandoffMessage(source="user", target=last_message.source, content=user_message)
            )
        )
        last_message = task_result.messages[-1]


asyncio.run(run_team_stream())
