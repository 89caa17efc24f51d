"""An ASGI server in the test's own loop: one client, whose every step the test decides."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from supervisor.integrations._asgi.protocol import ASGIApp, Message

SECONDS = 10.0


@dataclass
class Client:
    """What one client sends, and what it has been sent.

    Like uvicorn's: `receive()` says that the client has left once the response is complete, and as
    often as it is asked then.
    """

    app: ASGIApp
    scope: dict[str, Any]
    sent: list[Message] = field(default_factory=list[Message])
    """What the application has sent."""
    asked: int = 0
    """How many messages of the client were asked for."""
    _inbox: asyncio.Queue[Message] = field(default_factory=asyncio.Queue[Message])
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _last: Message | None = None
    _task: asyncio.Future[None] | None = None

    def start(self) -> Client:
        """Have the application handle it, in a task of its own."""
        self._task = asyncio.ensure_future(self.app(self.scope, self._receive, self._send))
        self._task.add_done_callback(lambda _: self._news.set())
        return self

    def say(self, **message: Any) -> None:
        """Send a message, as the server makes it."""
        self._inbox.put_nowait(message)

    def leave(self, code: int = 1001) -> None:
        """Disconnect."""
        kind = self.scope["type"]
        self._last = {"type": f"{kind}.disconnect"}
        if kind == "websocket":
            self._last["code"] = code
        self._inbox.put_nowait(self._last)

    def cancel(self) -> None:
        """Cancel the request, as a server does whose time is up."""
        assert self._task is not None
        self._task.cancel()

    async def until(self, condition: Callable[[Client], bool]) -> None:
        """Wait until this holds, or the application has returned."""
        async with asyncio.timeout(SECONDS):
            while not condition(self):
                assert self._task is not None
                assert not self._task.done(), f"it has ended: {self._task}, {self.sent}"
                self._news.clear()
                await self._news.wait()

    async def end(self) -> Client:
        """Wait until the application has returned; raise what it has raised."""
        assert self._task is not None
        async with asyncio.timeout(SECONDS):
            await self._task
        return self

    @property
    def status(self) -> int:
        """The status of the response."""
        starts = [each["status"] for each in self.sent if each["type"].endswith("response.start")]
        assert len(starts) == 1, self.sent
        return int(starts[0])

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response."""
        start = next(each for each in self.sent if each["type"].endswith("response.start"))
        return {bytes(k).decode(): bytes(v).decode() for k, v in start["headers"]}

    @property
    def body(self) -> bytes:
        """What has come of the response so far."""
        return b"".join(each.get("body", b"") for each in self.sent)

    @property
    def is_complete(self) -> bool:
        """Whether the response is complete."""
        kind = self.sent[-1]["type"] if self.sent else ""
        is_end = kind in ("http.response.body", "http.response.pathsend")
        return is_end and not self.sent[-1].get("more_body")

    @property
    def texts(self) -> list[str]:
        """The texts that have come over a WebSocket."""
        return [each["text"] for each in self.sent if each["type"] == "websocket.send"]

    async def _receive(self) -> Message:
        self.asked += 1
        self._news.set()
        if self._last is not None and self._inbox.empty():
            return self._last
        return await self._inbox.get()

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if self.scope["type"] == "http" and self.is_complete and self._last is None:
            self.leave()
        self._news.set()
        await asyncio.sleep(0)


def get(app: ASGIApp, path: str = "/", **more: Any) -> Client:
    """Start a GET request."""
    client = Client(app, _scope("http", path, method="GET", **more)).start()
    client.say(type="http.request", body=b"", more_body=False)
    return client


def post(app: ASGIApp, path: str = "/", *, parts: int = 1, **more: Any) -> Client:
    """Start a POST request of which the client has sent this many parts of a body, and no end."""
    client = Client(app, _scope("http", path, method="POST", **more)).start()
    for _ in range(parts):
        client.say(type="http.request", body=b"x" * 65536, more_body=True)
    return client


def connect(app: ASGIApp, path: str = "/ws", **more: Any) -> Client:
    """Open a WebSocket."""
    client = Client(app, _scope("websocket", path, **more)).start()
    client.say(type="websocket.connect")
    return client


def _scope(kind: str, path: str, **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"test")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "subprotocols": [],
        **more,
    }


@dataclass
class Lifespan:
    """The start and the end of a server."""

    app: ASGIApp
    state: dict[str, Any] = field(default_factory=dict[str, Any])
    sent: list[Message] = field(default_factory=list[Message])
    _inbox: asyncio.Queue[Message] = field(default_factory=asyncio.Queue[Message])
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Future[None] | None = None

    async def start(self) -> Lifespan:
        """Start the application up, and wait for its answer."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        self._task = asyncio.ensure_future(self.app(scope, self._inbox.get, self._send))
        self._task.add_done_callback(lambda _: self._news.set())
        return await self._exchange("lifespan.startup")

    async def stop(self) -> Lifespan:
        """Shut it down, and wait for its answer and its return."""
        await self._exchange("lifespan.shutdown")
        return await self.end()

    async def end(self) -> Lifespan:
        """Wait until the application has returned; raise what it has raised."""
        assert self._task is not None
        async with asyncio.timeout(SECONDS):
            await self._task
        return self

    @property
    def answers(self) -> list[str]:
        """The types of what the application has sent."""
        return [message["type"] for message in self.sent]

    async def _exchange(self, kind: str) -> Lifespan:
        count = len(self.sent)
        self._inbox.put_nowait({"type": kind})
        async with asyncio.timeout(SECONDS):
            while len(self.sent) == count:
                assert self._task is not None
                if self._task.done():
                    await self._task
                    break
                self._news.clear()
                await self._news.wait()
        return self

    async def _send(self, message: Message) -> None:
        assert message["type"].startswith("lifespan."), message
        self.sent.append(message)
        self._news.set()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until this holds, whatever makes it so."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def serving(app: ASGIApp) -> AsyncGenerator[Lifespan]:
    """Run an application as a server does, around the clients of a test."""
    lifespan = await Lifespan(app).start()
    try:
        yield lifespan
    finally:
        await lifespan.stop()
