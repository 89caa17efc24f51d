"""MCP sessions, of the extra `mcp`: their actors, and what those have been asked."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import Any


def mcp_is_loaded() -> bool:
    """Whether anybody in the process can have a session."""
    return "autogen_ext.tools.mcp._actor" in sys.modules


def mcp_commands(actor: Any) -> asyncio.Queue[dict[str, Any]]:
    """What a session's actor has been asked, and has not come to."""
    queue: asyncio.Queue[dict[str, Any]] = actor._command_queue
    return queue


def mcp_wrap_streams(session: Any, cls: type[dict[Any, Any]]) -> None:
    """Have a session of the package `mcp` keep the streams to its callers in a `dict` of ours."""
    if not isinstance(session._response_streams, cls):
        session._response_streams = cls(session._response_streams)


def mcp_forget_ended(workbench: Any) -> None:
    """Have a workbench forget its actor, if that has ended: AutoGen keeps it for ever."""
    actor: Any = getattr(workbench, "_actor", None)
    if hasattr(actor, "_command_queue") and not actor._active:
        workbench._actor = None


def mcp_server(task: asyncio.Task[Any]) -> int | None:
    """The pid of the server whose answers this task reads; None if it is no such task."""
    coro: Any = task.get_coro()
    while inspect.iscoroutine(coro) and coro.cr_frame is not None:
        if coro.cr_code.co_qualname == "stdio_client.<locals>.stdout_reader":
            pid: int = coro.cr_frame.f_locals["process"].pid
            return pid
        coro = coro.cr_await
    return None
