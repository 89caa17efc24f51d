"""MCP sessions: what a stop must not do to them, for they outlive the turn that started them.

`McpWorkbench` talks to its server through an *actor*, a task that takes commands off a queue and
answers each with a coroutine, the request. There are moments, of a step of the loop each, in which
a caller that is cancelled ends the session for good, or leaves a complaint (AutoGen 0.7.5, mcp 1):

- The actor has not come to the command yet, as while the server starts. It would answer a future
  that is cancelled, and die of `InvalidStateError`. So commands of the cancelled are withdrawn.
- The actor has answered, and the caller has not come to await the request. It is closed, or Python
  says that it was never awaited.
- The server's answer is on its way to the caller. The session would find the caller's end closed,
  and take that for the end of the connection. So answers to the cancelled are dropped; and where
  one is being handed over already, the stop lets that step pass first.

A workbench keeps an actor that has ended, and can do nothing with it: it is taken off, so that the
next run starts a session.

Not chosen: to let requests go on in tasks of our own. It would need a workbench of our own.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

from supervisor.autogen import private
from supervisor.autogen.private import kind_of
from supervisor.tasks import AnyTask, Kind


def is_handing_over() -> bool:
    """Whether a session is handing an answer to its caller: a stop waits for that step."""
    if not any(_actors()):
        return False
    return any("_handle_response" in _awaited(task.get_coro()) for task in asyncio.all_tasks())


def before_cancel(task: AnyTask) -> None:
    """Close the request that the task would have awaited next."""
    awaited: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
    if awaited is None or not awaited.done() or awaited.cancelled():
        return
    if awaited.exception() is None and inspect.iscoroutine(awaited.result()):
        awaited.result().close()


def after_cancel() -> None:
    """Have all sessions of the loop forget those that were cancelled in this step."""
    for names in _actors():
        _withdraw(private.mcp_commands(names["self"]))
        session = names.get("session")
        if session is not None:
            private.mcp_wrap_streams(session, _Streams)


def forget_ended(workbench: Any) -> None:
    """Let a workbench start a new session, where its last one has ended."""
    private.mcp_forget_ended(workbench)


def _withdraw(queue: asyncio.Queue[dict[str, Any]]) -> None:
    for command in [queue.get_nowait() for _ in range(queue.qsize())]:
        if not command["future"].done():
            queue.put_nowait(command)


def _actors() -> Iterator[dict[str, Any]]:
    """The local names of each actor of the loop."""
    for task in asyncio.all_tasks():
        coro: Any = task.get_coro()
        frame = getattr(coro, "cr_frame", None)
        if kind_of(coro) is Kind.HELPER and frame is not None and "self" in frame.f_locals:
            yield frame.f_locals


def _awaited(coro: Any) -> Iterator[str]:
    """The names of the coroutines that wait for one another, the outermost first."""
    while inspect.iscoroutine(coro):
        yield coro.cr_code.co_name
        coro = coro.cr_await


class _Streams(dict[Any, Any]):
    """The streams to the callers of a session, by request."""

    def pop(self, key: Any, default: Any = None) -> Any:
        found = super().pop(key, default)
        return found if found is default else _Stream(found)


class _Stream:
    """The stream to a caller, who may be gone."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def send(self, answer: Any) -> None:
        from anyio import BrokenResourceError, ClosedResourceError

        try:
            await self._stream.send(answer)
        except (BrokenResourceError, ClosedResourceError):
            return  # cancelled: nobody waits for it
