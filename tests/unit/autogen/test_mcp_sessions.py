"""What becomes of the commands and requests of an MCP session's callers that were cancelled."""

from __future__ import annotations

import asyncio
import inspect
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from supervisor._autogen import mcp_sessions
from supervisor._autogen.mcp_requests import Streams


class McpSessionActor:
    """An actor that does nothing, with the names of AutoGen's.

    Args:
        session: Its session, once the server has started.
    """

    def __init__(self, session: Any = None) -> None:
        self._command_queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._session = session
        self.may_end = asyncio.Event()

    async def _run_actor(self) -> None:
        session = self._session
        await self.may_end.wait()
        del session

    def start(self) -> asyncio.Task[None]:
        """Start it, and give it the commands of a caller that waits, and of one that has gone."""
        loop = asyncio.get_running_loop()
        for name in ("waits", "gone"):
            future = loop.create_future()
            self._command_queue.put_nowait({"type": name, "future": future})
        future.cancel()
        return asyncio.create_task(self._run_actor())

    def left(self) -> list[str]:
        """Return the commands that are left."""
        queue = self._command_queue
        return [queue.get_nowait()["type"] for _ in range(queue.qsize())]


@pytest.fixture(autouse=True)
def _loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have AutoGen's module be imported."""
    name = "autogen_ext.tools.mcp._actor"
    monkeypatch.setitem(sys.modules, name, sys.modules.get(name) or ModuleType(name))


@pytest.mark.parametrize("has_session", [True, False])
async def test_commands_of_cancelled_callers_are_withdrawn(*, has_session: bool) -> None:
    """The actor still answers the others; it may be waiting for its server."""
    session = SimpleNamespace(_response_streams={}) if has_session else None
    actor = McpSessionActor(session)
    task = actor.start()
    await asyncio.sleep(0)
    mcp_sessions.after_cancel()
    assert actor.left() == ["waits"]
    assert session is None or isinstance(session._response_streams, Streams)
    actor.may_end.set()
    await task


async def test_an_actor_that_ends_before_the_second_of_two_stops() -> None:
    """The sessions are looked up once for all stops of a round of the loop."""
    actor = McpSessionActor()
    task = actor.start()
    await asyncio.sleep(0)
    actor.may_end.set()  # it takes its last step in the next round of the loop
    asyncio.get_running_loop().call_soon(mcp_sessions.after_cancel)
    mcp_sessions.after_cancel()
    await task
    assert actor.left() == ["waits"]
    assert not mcp_sessions._found


async def test_a_request_that_nobody_comes_to_await_is_closed() -> None:
    """Python would warn of a coroutine that was never awaited."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def request() -> None: ...

    async def ask() -> None:
        await (await answer)

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    coro = request()
    answer.set_result(coro)
    mcp_sessions.before_cancel([asking])
    asking.cancel()
    await asyncio.wait([asking])
    assert inspect.getcoroutinestate(coro) == inspect.CORO_CLOSED
