"""MCP sessions, of the extra `mcp`: their actors, their commands, their requests."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Any, Final, NamedTuple, TypeVar

from supervisor._core.tool_call import CURRENT

_Dict = TypeVar("_Dict", bound="dict[Any, Any]")

_SESSIONS: Final = "mcp.shared.session"
"""The module of the package `mcp` whose `send_request` sends a request and waits for its answer."""


class McpRequest(NamedTuple):
    """A request to a server, for whose answer a task waits.

    Args:
        session: The session of the package `mcp` that has sent it.
        id: Its id.
        method: What it asks for, as "tools/call".
    """

    session: Any
    id: int
    method: str


def mcp_can_ask() -> bool:
    """Return whether a task can wait for a server's answer, with AutoGen or without."""
    return _SESSIONS in sys.modules


def mcp_request(frames: Iterable[FrameType]) -> McpRequest | None:
    """Return the request for whose answer a task waits; None where it waits for none.

    Args:
        frames: The frames of the coroutines in which the task waits.
    """
    for frame in frames:
        is_request = frame.f_code.co_name == "send_request"
        if is_request and frame.f_globals.get("__name__") == _SESSIONS:
            names = frame.f_locals
            if "request_id" not in names:  # before its first step
                return None
            method = str(names["request"].root.method)
            return McpRequest(names["self"], names["request_id"], method)
    return None


async def mcp_tell_cancelled(session: Any, request_id: int, reason: str) -> None:
    """Notify a session's server, by the protocol, that nobody waits for an answer any more."""
    from anyio import BrokenResourceError, ClosedResourceError
    from mcp import types

    params = types.CancelledNotificationParams(requestId=request_id, reason=reason)
    notification = types.CancelledNotification(method="notifications/cancelled", params=params)
    with contextlib.suppress(BrokenResourceError, ClosedResourceError):  # the session has ended
        await session.send_notification(types.ClientNotification(notification))


_KEY: Final = "autogen-supervisor/idempotencyKey"
_FENCE: Final = "autogen-supervisor/fence"
_telling: set[object] = set()  # one thing for each run that needs it


def mcp_tell_calls() -> Callable[[], None]:
    """Have each call of a tool tell its server the call's key and fence, as its `_meta`.

    All of a process's sessions are of one class, and some last for one call only, so it is done in
    the class. It changes nothing outside of the calls of runs that are kept.

    Returns:
        A function that ends this.
    """
    if "mcp.client.session" not in sys.modules:
        return lambda: None
    from mcp.client.session import ClientSession

    if not _telling:
        _put_send_request(ClientSession)
    mark = object()
    _telling.add(mark)

    def end() -> None:
        _telling.discard(mark)
        if not _telling:
            del ClientSession.send_request

    return end


def _put_send_request(cls: Any) -> None:
    original = cls.send_request

    @functools.wraps(original)
    def send_request(self: Any, request: Any, *args: Any, **options: Any) -> Any:
        call = CURRENT.get()
        if call is not None and request.root.method == "tools/call":
            _put_meta(request.root.params, {_KEY: call.idempotency_key, _FENCE: call.fence})
        return original(self, request, *args, **options)

    cls.send_request = send_request


def _put_meta(params: Any, entries: dict[str, Any]) -> None:
    from mcp.types import RequestParams

    have: dict[str, Any] = (
        params.meta.model_dump(exclude_none=True) if params.meta is not None else {}
    )
    params.meta = RequestParams.Meta(**have, **entries)


def mcp_is_loaded() -> bool:
    """Return whether there can be a session of AutoGen's in the process."""
    return "autogen_ext.tools.mcp._actor" in sys.modules


def mcp_actor(task: asyncio.Task[Any]) -> Mapping[str, Any] | None:
    """Return the local names of the actor that a task runs; None if it runs none, or has ended."""
    coro: Any = task.get_coro()
    while inspect.iscoroutine(coro) and coro.cr_frame is not None:
        if coro.cr_code.co_qualname == "McpSessionActor._run_actor":
            names: Mapping[str, Any] = coro.cr_frame.f_locals
            return names
        coro = coro.cr_await
    return None


def mcp_commands(actor: Any) -> asyncio.Queue[dict[str, Any]]:
    """Return the queue of the commands that a session's actor has not come to."""
    queue: asyncio.Queue[dict[str, Any]] = actor._command_queue
    return queue


def mcp_wrap_streams(session: Any, cls: type[_Dict]) -> _Dict:
    """Replace the `dict` of a session's streams to its callers by one of ours, and return it."""
    streams = session._response_streams
    if not isinstance(streams, cls):
        streams = session._response_streams = cls(streams)
    return streams


def mcp_forget_ended(workbench: Any) -> None:
    """Let a workbench forget its actor, if that has ended: AutoGen keeps it for ever."""
    actor: Any = getattr(workbench, "_actor", None)
    if hasattr(actor, "_command_queue") and not actor._active:
        workbench._actor = None


def mcp_server(task: asyncio.Task[Any]) -> int | None:
    """Return the pid of the server whose answers a task reads; None if it reads none."""
    coro: Any = task.get_coro()
    while inspect.iscoroutine(coro) and coro.cr_frame is not None:
        if coro.cr_code.co_qualname == "stdio_client.<locals>.stdout_reader":
            pid: int = coro.cr_frame.f_locals["process"].pid
            return pid
        coro = coro.cr_await
    return None
