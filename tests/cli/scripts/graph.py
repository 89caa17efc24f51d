from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow
from autogen_agentchat.ui import Console
from work import thinking

from supervisor.testing import ScriptedModel

writer = AssistantAgent("writer", ScriptedModel(["A draft."]))
grammar = AssistantAgent("grammar", thinking())
style = AssistantAgent("style", thinking())
last = AssistantAgent("last", ScriptedModel(["All good."]))
builder = DiGraphBuilder()
builder.add_node(writer).add_node(grammar).add_node(style).add_node(last)
builder.add_edge(writer, grammar)
builder.add_edge(writer, style)
builder.add_edge(grammar, last)
builder.add_edge(style, last)
flow = GraphFlow(participants=builder.get_participants(), graph=builder.build())

asyncio.run(Console(flow.run_stream(task="Write about the sea.")))
