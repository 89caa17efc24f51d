"""Requests to MCP servers for whose answer nobody waits any more.

A server that does not learn of it runs its tool to the end, for nobody. So a notification is sent,
the protocol's `notifications/cancelled`. It is not sent at once: most requests are answered in a
moment, and the official server (mcp 1) ends, with all its sessions, if a cancellation reaches it in
the very moment at which it answers. The stop waits for none of this.

An answer that comes all the same finds a stream that drops it. Without that, a session would report
an "unknown request ID" as an error, or take its own end of the stream for the end of the
connection.

Where a tool opens a session for one call, that session ends with the call, and nothing is sent.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import Any, Final

from supervisor._autogen import upstream
from supervisor._autogen.upstream import McpRequest
from supervisor._core.tasks import SCOPE, AnyTask
from supervisor._reports.frames import frames_of

ANSWER_SECONDS: Final = 0.1
"""How long a server has to answer before it is notified that nobody waits."""

_REASON: Final = "The run was stopped"


def give_up(task: AnyTask) -> None:
    """Notify the server for whose answer a task waits that is about to be cancelled."""
    request = upstream.mcp_request(frames_of(task))
    if request is None or request.method == "initialize":  # which must not be cancelled
        return
    upstream.mcp_wrap_streams(request.session, Streams).give_up(request)


class Streams(dict[Any, Any]):
    """The streams to the callers of a session, by request; also to callers that have gone."""

    def __init__(self, streams: dict[Any, Any]) -> None:
        super().__init__(streams)
        self._given_up: dict[int, asyncio.TimerHandle] = {}
        self._sending: set[AnyTask] = set()  # the loop itself holds a task only weakly

    def pop(self, key: Any, default: Any = None) -> Any:
        """Take a stream out, because its caller goes, or because an answer has come."""
        stream = super().pop(key, default)
        if stream is None and key in self._given_up:
            self._given_up.pop(key).cancel()
        return _Stream(stream)

    def give_up(self, request: McpRequest) -> None:
        """Notify the server that nobody waits for a request, unless it answers in a moment.

        It may be notified of a request that was not sent yet; it ignores that.
        """
        has_answer = request.id not in self
        if not has_answer and request.id not in self._given_up:
            loop = asyncio.get_running_loop()
            self._given_up[request.id] = loop.call_later(ANSWER_SECONDS, self._notify, request)

    def _notify(self, request: McpRequest) -> None:
        del self._given_up[request.id]
        context = copy_context()
        context.run(SCOPE.set, None)  # the task is the session's, not the run's
        telling = upstream.mcp_tell_cancelled(request.session, request.id, _REASON)
        task = asyncio.get_running_loop().create_task(telling, context=context)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


class _Stream:
    """The stream to a caller, which may have gone."""

    def __init__(self, stream: Any | None) -> None:
        self._stream = stream

    async def send(self, answer: Any) -> None:
        from anyio import BrokenResourceError, ClosedResourceError

        if self._stream is None:
            return
        try:
            await self._stream.send(answer)
        except (BrokenResourceError, ClosedResourceError):
            return  # cancelled: nobody waits for it
