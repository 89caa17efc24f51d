"""Plain ASGI applications whose requests start runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from autogen_agentchat.base import TaskResult
from autogen_agentchat.teams import RoundRobinGroupChat

import supervisor
from supervisor import Run
from supervisor.integrations._asgi.protocol import ASGIApp, ConnectionScope, Message, Receive, Send
from supervisor.integrations.asgi import SupervisorMiddleware, supervised
from supervisor.testing import ScriptedAgent

Handler = Callable[[ConnectionScope, Receive, Send], Awaitable[None]]


class Work:
    """Runs that last until they are told to end, and what has become of them."""

    def __init__(self) -> None:
        self.runs: list[Run[Any, Any]] = []
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()

    def start(self) -> Run[str, list[str]]:
        """Return a new run, of the supervisor of the calling handler."""
        run = supervisor.current().iterate(self._chunks())
        self.runs.append(run)
        return run

    async def _chunks(self) -> AsyncGenerator[str]:
        yield "first"
        self.has_begun.set()
        await self.may_end.wait()
        yield "last"

    @property
    def reasons(self) -> list[str | None]:
        """Why each run was stopped."""
        return [run.stop_request.reason if run.stop_request else None for run in self.runs]


class Conversation:
    """A team whose second turn lasts until it is told to end; a stopped run can go on."""

    def __init__(self) -> None:
        self.is_second = asyncio.Event()
        self.may_end = asyncio.Event()

        async def answer(*_: object) -> str:
            self.is_second.set()
            await self.may_end.wait()
            return "Second."

        members = [ScriptedAgent("one", ["First.", "Third."]), ScriptedAgent("two", answer)]
        self.team = RoundRobinGroupChat([*members], max_turns=2)
        self.result: TaskResult | None = None


async def start(send: Send, status: int = 200, kind: str = "text/plain", **headers: str) -> None:
    """Send the start of a response."""
    pairs = {"content-type": kind, **headers}
    encoded = [(name.encode(), value.encode()) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def body(send: Send, part: bytes = b"", *, more: bool = False) -> None:
    """Send a part of the body; the last one unless there is more."""
    await send({"type": "http.response.body", "body": part, "more_body": more})


def streaming(work: Work, kind: str = "text/plain") -> Handler:
    """Return an application that streams a run, and never reads."""

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await start(send, kind=kind)
        async for chunk in work.start():
            await body(send, chunk.encode(), more=True)
        await body(send)

    return app


def answering(work: Work) -> Handler:
    """Return an application that answers once its run has ended, and never reads."""

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        chunks = await work.start()
        await start(send)
        await body(send, "".join(chunks).encode())

    return app


def hosted(app: ASGIApp, **settings: Any) -> SupervisorMiddleware:
    """Put a supervisor without signals around an application, which refuses a lifespan."""

    async def refusing(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        assert scope["type"] != "lifespan"
        await app(scope, receive, send)

    return supervised(refusing, signals={}, **settings)


async def read_all(receive: Receive) -> list[Message]:
    """Read the whole body of a request."""
    messages = [await receive()]
    while messages[-1]["type"] == "http.request" and messages[-1]["more_body"]:
        messages.append(await receive())
    return messages
