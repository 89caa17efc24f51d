"""The tools of an `AssistantAgent`: which there are, and how one is called."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import FunctionExecutionResult
from autogen_core.tools import StaticWorkbench


def handoff_names(agent: AssistantAgent) -> set[str]:
    """Return the names of the tools by which an agent hands off."""
    return {tool.name for tool in agent._handoff_tools}


async def has_tool(agent: AssistantAgent, name: str) -> bool:
    """Return whether an agent has a tool that its model knows by this name."""
    for workbench in agent._workbench:
        if any(tool["name"] == name for tool in await workbench.list_tools()):
            return True
    return False


def marks_of(agent: AssistantAgent, name: str) -> list[Any]:
    """Return what may carry a mark of a tool's: the tool, and the function that it was made of.

    A server's tools are not objects here.
    """
    found: list[Any] = []
    for workbench in agent._workbench:
        if isinstance(workbench, StaticWorkbench):
            original = workbench._override_name_to_original.get(name, name)
            found += [tool for tool in workbench._tools if tool.name == original]
    return [*found, *(tool._func for tool in found if hasattr(tool, "_func"))]


async def call_tool(
    agent: AssistantAgent, call: FunctionCall, token: CancellationToken
) -> FunctionExecutionResult:
    """Call a tool as its agent does; what it streams is dropped."""
    _, result = await type(agent)._execute_tool_call(
        tool_call=call,
        workbench=agent._workbench,
        handoff_tools=agent._handoff_tools,
        agent_name=agent.name,
        cancellation_token=token,
        stream=asyncio.Queue(),
    )
    return result
