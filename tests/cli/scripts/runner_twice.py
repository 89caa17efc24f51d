from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from work import thinking

from supervisor.testing import ScriptedModel


async def ask(model) -> None:
    print((await AssistantAgent("assistant", model).run(task="Hello")).messages[-1].to_text())


with asyncio.Runner() as runner:
    runner.run(ask(ScriptedModel(["First."])))
    runner.run(ask(thinking()))
    runner.run(ask(ScriptedModel(["Never."])))
