"""A team of one agent, and the workbench of a real server of tools."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import psutil
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import FunctionExecutionResultMessage, LLMMessage
from autogen_core.tools import BaseTool
from autogen_ext.tools.mcp import (  # pyright: ignore[reportMissingTypeStubs]
    McpServerParams,
    McpWorkbench,
    SseServerParams,
    StdioServerParams,
    StreamableHttpServerParams,
)

from supervisor.testing import ScriptedModel, calls
from supervisor.testing._complaints import Complaints
from tests.blocking.told import Told, listening

ROOT: Final = Path(__file__).parents[2]
Transport = Literal["stdio", "sse", "streamable-http"]
Tool = BaseTool[Any, Any]

_SERVER: Final = ["-m", "tests.blocking.programs.mcp_server"]


class Desk:
    """A team of one agent, with a workbench that is not started yet.

    Args:
        told: What the server tells.
        params: How the server is reached.
    """

    def __init__(self, told: Told, params: McpServerParams) -> None:
        self.told = told
        self.params = params
        self.workbench = McpWorkbench(params)
        self.wanted: list[Any] = [("look_up", {"key": "a"})]
        """The calls that the model makes when it is asked for something."""

    def team(self, *tools: Tool) -> RoundRobinGroupChat:
        """Return a fresh team on the same workbench, with tools of its own if it is given some."""
        agent = AssistantAgent(
            "caller",
            ScriptedModel(self._answer),
            workbench=self.workbench if not tools else None,
            tools=list(tools) or None,
            reflect_on_tool_use=True,
        )
        return RoundRobinGroupChat([agent], max_turns=1)

    def _answer(self, messages: Sequence[LLMMessage]) -> Any:
        has_found = isinstance(messages[-1], FunctionExecutionResultMessage)
        return "done" if has_found else calls(*self.wanted)

    async def close(self) -> None:
        """End the session, as its owner."""
        with contextlib.suppress(RuntimeError):  # it never began, or has ended
            await self.workbench.stop()


@contextlib.asynccontextmanager
async def desk_in(folder: Path, *more: str, transport: Transport = "stdio") -> AsyncGenerator[Desk]:
    """Open a desk, and close it at the end; no process may be left, and nothing may complain.

    Args:
        folder: For the FIFO on which the server tells what happens.
        more: Arguments for a server on stdio.
        transport: How the server is reached.
    """
    children = set(psutil.Process().children(recursive=True))
    with Complaints():
        async with listening(folder) as told, _server(told, more, transport) as params:
            desk = Desk(told, params)
            try:
                yield desk
            finally:
                await desk.close()
    assert set(psutil.Process().children(recursive=True)) == children


@contextlib.asynccontextmanager
async def _server(
    told: Told, more: Sequence[str], transport: Transport
) -> AsyncGenerator[McpServerParams]:
    """Provide a server: on stdio the connection starts it, on loopback it runs already."""
    args = [*_SERVER, str(told.path), *more]
    if transport == "stdio":
        # Starting it, a busy machine may need more than AutoGen's five seconds.
        yield StdioServerParams(
            command=sys.executable,
            args=args,
            cwd=ROOT,
            env=dict(os.environ),
            read_timeout_seconds=30,
        )
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, *args, transport, cwd=ROOT, start_new_session=True
    )
    try:
        address = f"http://127.0.0.1:{(await told.until('listening'))['port']}"
        if transport == "sse":
            yield SseServerParams(url=f"{address}/sse")
        else:
            yield StreamableHttpServerParams(url=f"{address}/mcp")
    finally:
        process.kill()
        await process.wait()
