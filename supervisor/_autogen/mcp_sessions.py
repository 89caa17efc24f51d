"""MCP sessions: how a stop leaves them intact, for they outlive the turn that started them.

`McpWorkbench` talks to its server through an *actor*, a task that takes commands off a queue and
answers each with a coroutine, the request. There are moments, each of one step of the loop, in
which the cancellation of a caller ends the session for good, or leaves a complaint (AutoGen 0.7.5,
mcp 1):

- The actor has not come to the command yet, for instance while the server starts. It would answer a
  future that is cancelled, and die of `InvalidStateError`. So commands of cancelled callers are
  withdrawn.
- The actor has answered, and the caller has not come to await the request. The request is closed,
  for otherwise Python says that it was never awaited.
- The server's answer is on its way to the caller. The session would find the caller's end closed,
  and take that for the end of the connection. So answers to cancelled callers are dropped; and
  where one is being handed over already, the stop lets that step pass first.

How the server is notified is a subject of its own: `mcp_requests.py`.

A workbench keeps an actor that has ended, and can do nothing with it. It is removed, so that the
next run starts a session.

Not chosen: to let requests go on in tasks of our own. It would need a workbench of our own.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable, Iterator
from typing import Any
from weakref import WeakValueDictionary

from supervisor._autogen import upstream
from supervisor._autogen.mcp_requests import Streams, give_up
from supervisor._core.tasks import AnyTask


class _Sessions:
    """The tasks of the sessions of a loop.

    Args:
        tasks: All tasks of the loop.
    """

    def __init__(self, tasks: Iterable[AnyTask]) -> None:
        tasks = list(tasks)
        self.actors = [task for task in tasks if upstream.mcp_actor(task) is not None]
        self.readers = [task for task in tasks if _is_reader(task)] if self.actors else []
        """The tasks that pass on the servers' answers."""


# By the id() of the loop, for the rest of its step: a thousand runs may be stopped in it, beside
# ten thousand tasks of the host's. The call that removes it, in the next step, keeps it until then.
_found: WeakValueDictionary[int, _Sessions] = WeakValueDictionary()


def _sessions() -> _Sessions | None:
    """Return the sessions of the loop; None where there can be none."""
    if not upstream.mcp_is_loaded():
        return None
    loop = asyncio.get_running_loop()
    found = _found.get(id(loop))
    if found is None:
        found = _found[id(loop)] = _Sessions(asyncio.all_tasks())
        loop.call_soon(_found.pop, id(loop), found)  # this call keeps it until then
    return found


def is_handing_over() -> bool:
    """Return whether a session is handing an answer to its caller: a stop waits for that step."""
    found = _sessions()
    return found is not None and any(map(_is_handing_over, found.readers))


def before_cancel(tasks: Iterable[AnyTask]) -> None:
    """Give up the requests that tasks wait for, or would have awaited next."""
    can_ask = upstream.mcp_can_ask()
    for task in tasks:
        if can_ask:
            give_up(task)
        awaited: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
        if awaited is None or not awaited.done() or awaited.cancelled():
            continue
        if awaited.exception() is None and inspect.iscoroutine(awaited.result()):
            awaited.result().close()


def after_cancel() -> None:
    """Let all sessions of the loop forget the callers that were cancelled in this step."""
    found = _sessions()
    for actor in found.actors if found is not None else ():
        names = upstream.mcp_actor(actor)
        if names is None:  # it has ended meanwhile
            continue
        _withdraw(upstream.mcp_commands(names["self"]))
        if names.get("session") is not None:
            upstream.mcp_wrap_streams(names["session"], Streams)


def forget_ended(workbench: Any) -> None:
    """Let a workbench start a new session, where its last one has ended."""
    upstream.mcp_forget_ended(workbench)


def _withdraw(queue: asyncio.Queue[dict[str, Any]]) -> None:
    for command in [queue.get_nowait() for _ in range(queue.qsize())]:
        if not command["future"].done():
            queue.put_nowait(command)


def _is_reader(task: AnyTask) -> bool:
    return "_receive_loop" in _awaited(task.get_coro())


def _is_handing_over(reader: AnyTask) -> bool:
    # One that waits for a future waits for its server.
    waits = getattr(reader, "_fut_waiter", None) is not None
    return not waits and "_handle_response" in _awaited(reader.get_coro())


def _awaited(coro: Any) -> Iterator[str]:
    """Yield the names of the coroutines that wait for one another, the outermost first."""
    while inspect.iscoroutine(coro):
        yield coro.cr_code.co_name
        coro = coro.cr_await
