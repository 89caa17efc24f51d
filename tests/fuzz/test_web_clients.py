"""Whatever a web client does, and whenever it leaves, its request ends and so does its run."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from supervisor.integrations._asgi.protocol import ConnectionScope, Receive, Send
from supervisor.integrations.asgi import supervised
from supervisor.integrations.streams import SSE_HEADERS, send_events, sse
from tests.fuzz.lengths import examples
from tests.fuzz.values import TEXTS
from tests.unit.integrations.apps import Work
from tests.unit.integrations.driver import Client, _scope

_BODIES = st.binary(max_size=40) | st.sampled_from([b"x" * 70000, b""])
_REQUESTS = st.fixed_dictionaries(
    {"type": st.just("http.request") | st.sampled_from(["http.odd", "http.disconnect"])},
    optional={"body": _BODIES, "more_body": st.booleans(), "odd": TEXTS},
)
_FRAMES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"type": st.sampled_from(["websocket.receive", "websocket.receive", "websocket.odd"])},
    optional={"text": st.none() | TEXTS, "bytes": st.none() | _BODIES},
)
_OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "path": TEXTS,
    "root_path": TEXTS,
    "headers": st.lists(st.tuples(_BODIES, _BODIES), max_size=3),
    "client": st.none() | st.tuples(TEXTS, st.integers()),
    "extensions": st.sampled_from([None, {}, {"websocket.http.response": {}}]),
    "state": st.just({}),
    "query_string": _BODIES,
    "raw_path": st.none() | _BODIES,
}
_SCOPES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({}, optional=_OPTIONAL)
_PAUSES = st.lists(st.integers(0, 6), min_size=12, max_size=12)


async def _steps(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def _play(client: Client, messages: list[Any], pauses: list[int]) -> None:
    """Have a client send messages and leave, each after some steps of the loop."""
    client.start()
    for message, pause in zip(messages, pauses, strict=False):
        client.say(**message)
        await _steps(pause)
    client.leave()
    await client.end()


def _check(work: Work) -> None:
    for run in work.runs:
        assert run.result is not None or run.stop_request is not None, run


@examples(40)
@given(scope=_SCOPES, messages=st.lists(_REQUESTS, max_size=5), pauses=_PAUSES, ends=st.booleans())
def test_an_http_client(
    scope: dict[str, Any], messages: list[Any], pauses: list[int], ends: bool
) -> None:
    """A stream ends as its client leaves, at any moment of its request and of the run."""

    async def main() -> None:
        work = Work()
        if ends:
            work.may_end.set()

        async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
            first = await receive()
            if first["type"] == "http.disconnect":
                return
            headers = [(name.encode(), value.encode()) for name, value in SSE_HEADERS.items()]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async for part in sse(work.start()):
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body"})

        hosted = supervised(app, signals={}, ready_path="/ready")
        await _play(Client(hosted, _scope("http", **{"path": "/", **scope})), messages, pauses)
        await hosted.drain()
        _check(work)

    asyncio.run(main())


@examples(40)
@given(scope=_SCOPES, messages=st.lists(_FRAMES, max_size=5), pauses=_PAUSES, ends=st.booleans())
def test_a_websocket_client(
    scope: dict[str, Any], messages: list[Any], pauses: list[int], ends: bool
) -> None:
    """A WebSocket's run ends as its client leaves, whatever frames it has sent before."""

    async def main() -> None:
        work = Work()
        if ends:
            work.may_end.set()

        async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "websocket.accept"})

            async def text(data: str) -> None:
                await send({"type": "websocket.send", "text": data})

            while (await receive())["type"] != "websocket.disconnect":
                await send_events(work.start(), text)

        hosted = supervised(app, signals={})
        client = Client(hosted, _scope("websocket", **{"path": "/ws", **scope}))
        connect = {"type": "websocket.connect"}
        await _play(client, [connect, *messages], pauses)
        await hosted.drain()
        _check(work)

    asyncio.run(main())
