from __future__ import annotations

import asyncio
import json
import tempfile

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from work import think

from supervisor.testing import ScriptedModel


def make_team():
    agent = AssistantAgent("assistant", ScriptedModel(["A first.", think]))
    return RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(2))


async def main() -> None:
    with tempfile.NamedTemporaryFile("w+") as file:
        for task in ["Write a poem.", "What was it about?", "And then?"]:
            team = make_team()
            file.seek(0)
            if saved := file.read():
                await team.load_state(json.loads(saved))
            await team.run(task=task)
            file.seek(0)
            file.truncate()
            file.write(json.dumps(await team.save_state()))
            file.flush()
            print("saved", flush=True)


asyncio.run(main())
