"""#8265: McpWorkbench.call_tool passes a raw coroutine to CancellationToken.link_future.

So `token.cancel()` raises an AttributeError, and what was linked after the call is not cancelled.
(Needs autogen-ext's extra `mcp`; this file is its own MCP server.)
"""

from __future__ import annotations

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_ext.tools.mcp import (  # pyright: ignore[reportMissingTypeStubs]
    McpWorkbench,
    StdioServerParams,
)

from supervisor import Supervisor
from supervisor.testing import ScriptedModel, calls


def serve() -> None:
    """Serve a tool that takes two seconds."""
    from mcp.server.fastmcp import FastMCP

    server = FastMCP("slow", log_level="ERROR")

    @server.tool()
    async def rest() -> str:
        """Rest."""
        await asyncio.sleep(2)
        return "Rested."

    server.run()


def workbench() -> McpWorkbench:
    """Return a workbench of this file's server."""
    command = [sys.executable, __file__, "serve"]
    return McpWorkbench(
        StdioServerParams(command=command[0], args=command[1:], read_timeout_seconds=60)
    )


async def alone() -> str:
    """Cancel a token while a tool of the server is in flight."""
    token = CancellationToken()
    async with workbench() as desk:
        await desk.list_tools()
        running = asyncio.create_task(desk.call_tool("rest", cancellation_token=token))
        await asyncio.sleep(0.5)
        try:
            token.cancel()
        except AttributeError as error:
            text = (await running).to_text()
            return f"AttributeError: {error}; the tool ends by itself: {text}"
    return "cancelled"


async def supervised() -> str:
    """Stop a run while a tool of the server is in flight."""
    model = ScriptedModel([calls("rest"), "Awake."])
    async with workbench() as desk, Supervisor(signals={}) as sup:
        team = RoundRobinGroupChat([AssistantAgent("agent", model, workbench=desk)], max_turns=1)
        run = sup.stream(team, "Rest")
        async for event in run:
            if type(event).__name__ == "ToolCallRequestEvent":
                asyncio.get_running_loop().call_later(0.1, run.stop, "Enough")
        result = await run
        further = await sup.stream(team)
        return f"{result.stop_reason}; next run: {further.messages[-1].to_text()}"
    return "stopped before its run"


if __name__ == "__main__":
    if "serve" in sys.argv:
        serve()
    else:
        print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
