"""What a request gets while a stop is on, from plain applications and those of frameworks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from litestar import Litestar
from litestar import get as litestar_get
from quart import Quart
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

import supervisor
from supervisor import Ladder, Rung, Supervisor
from supervisor.integrations._asgi import block
from supervisor.integrations._asgi.protocol import (
    ASGIApp,
    ConnectionScope,
    Message,
    Receive,
    Send,
)
from supervisor.integrations.asgi import SupervisorMiddleware, supervised
from supervisor.integrations.streams import SSE_HEADERS, sse
from tests.unit.integrations.apps import Work, answering, body, hosted, start, streaming
from tests.unit.integrations.driver import get, serving
from tests.unit.supervisor.fakes import insist

Settings = dict[str, Any]
LADDER = Ladder(drain=3.5, cancel=1, abandon=1)
SETTINGS: Settings = {"signals": {}, "ladder": LADDER}


async def _items() -> AsyncGenerator[str]:
    yield "item"


async def _answer() -> str:
    return "".join(await supervisor.current().iterate(_items()))


async def _starlette_answer(request: Request) -> Response:
    return PlainTextResponse(await _answer())


async def _starlette_stream(request: Request) -> Response:
    async def stream() -> AsyncGenerator[str]:
        async for item in supervisor.current().iterate(_items()):
            yield item

    return StreamingResponse(stream())


async def _starlette_sse(request: Request) -> Response:
    return StreamingResponse(sse(supervisor.current().iterate(_items())), headers=SSE_HEADERS)


async def _pass_on(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    return await call_next(request)


def _of_starlette(endpoint: Any = _starlette_answer, *around: Middleware) -> ASGIApp:
    return Starlette(routes=[Route("/", endpoint)], middleware=[*around])


BASE_HTTP = Middleware(BaseHTTPMiddleware, dispatch=_pass_on)
OURS = Middleware(SupervisorMiddleware, **SETTINGS)


def _of_fastapi(*, is_debug: bool = False) -> ASGIApp:
    app = FastAPI(debug=is_debug)
    app.get("/")(_answer)
    return app


def _of_fastapi_with_middleware() -> ASGIApp:
    app = FastAPI()
    app.get("/")(_answer)
    app.add_middleware(SupervisorMiddleware, **SETTINGS)
    return app


def _of_litestar() -> ASGIApp:
    return Litestar([litestar_get("/")(_answer)], logging_config=None)


def _of_quart() -> ASGIApp:
    app = Quart("tests", root_path=str(Path(__file__).parent))
    app.route("/")(_answer)
    return app


APPS: dict[str, Callable[[], ASGIApp]] = {
    "starlette": lambda: supervised(_of_starlette(), **SETTINGS),
    "starlette that streams": lambda: supervised(_of_starlette(_starlette_stream), **SETTINGS),
    "starlette, server-sent": lambda: supervised(_of_starlette(_starlette_sse), **SETTINGS),
    "starlette, BaseHTTPMiddleware inside": lambda: _of_starlette(
        _starlette_answer, OURS, BASE_HTTP
    ),
    "starlette, BaseHTTPMiddleware outside": lambda: _of_starlette(
        _starlette_answer, BASE_HTTP, OURS
    ),
    "starlette that streams, BaseHTTPMiddleware inside": lambda: supervised(
        _of_starlette(_starlette_stream, BASE_HTTP), **SETTINGS
    ),
    "fastapi": lambda: supervised(_of_fastapi(), **SETTINGS),
    "fastapi in debug mode": lambda: supervised(_of_fastapi(is_debug=True), **SETTINGS),
    "fastapi, add_middleware": _of_fastapi_with_middleware,
    "litestar": lambda: supervised(_of_litestar(), **SETTINGS),
    "quart": lambda: supervised(_of_quart(), **SETTINGS),
}


@pytest.mark.parametrize("make", APPS.values(), ids=APPS)
async def test_a_refused_run_is_503(make: Callable[[], ASGIApp]) -> None:
    """A request whose run is refused gets 503 with Retry-After, and no 500 of its framework's."""
    app = make()
    async with serving(app) as lifespan:
        before = await get(app).end()
        assert before.status == 200
        assert b"item" in before.body
        sup: Supervisor = lifespan.state["supervisor"]
        sup.stop("Enough")
        after = await get(app).end()
    assert after.status == 503
    assert after.headers["retry-after"] == "6"
    assert after.is_complete
    assert b"stopping" in after.body


class Refusing:
    """Runs that refuse to end until they are released."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.release = asyncio.Event()

    async def items(self) -> AsyncGenerator[str]:
        """Yield one item, and refuse."""
        yield "item"
        self.has_begun.set()
        await insist(self.release)

    async def answer(self, request: Request) -> Response:
        """Answer with all of them."""
        return PlainTextResponse("".join(await supervisor.current().iterate(self.items())))

    async def stream(self, request: Request) -> Response:
        """Send each as an event."""

        async def events() -> AsyncGenerator[str]:
            async for item in supervisor.current().iterate(self.items()):
                yield f"data: {item}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")


QUICK: Settings = {"signals": {}, "ladder": Ladder(drain=0, cancel=0.05, abandon=0.05)}


@pytest.mark.parametrize("is_inside", [False, True])
async def test_a_run_that_is_given_up_is_503(*, is_inside: bool) -> None:
    """Where a stop has quarantined the run, the request gets 503, and the server no error."""
    refusing = Refusing()
    plain = Starlette(routes=[Route("/", refusing.answer)])
    if is_inside:
        plain.add_middleware(SupervisorMiddleware, **QUICK)
    async with serving(plain if is_inside else supervised(plain, **QUICK)) as lifespan:
        client = get(lifespan.app)
        await refusing.has_begun.wait()
        lifespan.state["supervisor"].stop("Enough")
        await client.end()
        refusing.release.set()
    assert client.status == 503
    assert client.headers["retry-after"] == "1"
    assert client.is_complete


async def test_a_stream_whose_run_is_given_up_has_a_last_event() -> None:
    """Where it has begun, it gets the event `stopped`, and the server no error."""
    refusing = Refusing()
    app = supervised(Starlette(routes=[Route("/", refusing.stream)]), **QUICK)
    async with serving(app) as lifespan:
        client = get(app)
        await refusing.has_begun.wait()
        lifespan.state["supervisor"].stop("Enough")
        await client.end()
        refusing.release.set()
    assert client.is_complete
    assert client.body.startswith(b"data: item\n\n")
    assert b"event: stopped" in client.body


async def test_drain_waits_for_the_last_bytes() -> None:
    """It stops the runs, from any loop, and returns once each response is complete."""
    work = Work()
    app = hosted(streaming(work))
    await asyncio.to_thread(asyncio.run, app.drain())  # nothing is open yet
    async with serving(app) as lifespan:
        client = get(app)
        await work.has_begun.wait()
        drained = asyncio.ensure_future(asyncio.to_thread(asyncio.run, app.drain()))
        request = await lifespan.state["supervisor"].wait_stop()
        assert request.rung is Rung.DRAIN
        assert not drained.done()
        work.may_end.set()
        await drained
        assert client.is_complete
        assert (await get(app).end()).status == 503


async def test_drain_ends_with_the_ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that refuses to end is waited for no longer than that; its request is answered."""
    monkeypatch.setattr(block, "_DRAINED_SECONDS", 0.0)
    refusing, is_given_up, may_answer = Refusing(), asyncio.Event(), asyncio.Event()

    async def answer(request: Request) -> Response:
        try:
            return await refusing.answer(request)
        finally:
            is_given_up.set()
            await may_answer.wait()

    app = supervised(Starlette(routes=[Route("/", answer)]), **QUICK)
    async with serving(app):
        client = get(app)
        await refusing.has_begun.wait()
        drained = asyncio.ensure_future(app.drain())
        await is_given_up.wait()
        for _ in range(10):  # it looks at each step
            await asyncio.sleep(0)
        assert not drained.done()
        may_answer.set()
        await drained
        assert client.status == 503
        refusing.release.set()


async def test_a_request_without_a_run_is_answered_during_a_stop() -> None:
    """A handler that starts no run answers as ever while a stop is on, its own errors included."""

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await start(send, 500 if scope["path"] == "/broken" else 200)
        await body(send, b"still here")

    async with serving(app := hosted(app)) as lifespan:
        lifespan.state["supervisor"].stop("Enough")
        assert (await get(app).end()).body == b"still here"
        assert (await get(app, "/broken").end()).status == 500


async def test_a_response_that_has_only_begun_is_passed_on_as_it_is() -> None:
    """A handler that returns without a body during a stop is the server's matter, as without us."""

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await start(send, 202)

    async with serving(app := hosted(app)) as lifespan:
        lifespan.state["supervisor"].stop("Enough")
        client = await get(app).end()
    assert client.status == 202
    assert not client.is_complete


async def test_a_handler_may_answer_for_a_refused_run_itself() -> None:
    """A handler that catches `Stopped` has the last word, whatever it answers."""

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        try:
            await _answer()
        except supervisor.Stopped:
            await start(send, 202)
            await body(send, b"later")

    async with serving(app := hosted(app)) as lifespan:
        lifespan.state["supervisor"].stop("Enough")
        client = await get(app).end()
    assert (client.status, client.body) == (202, b"later")


@pytest.mark.parametrize("raises", [True, False])
async def test_a_stream_that_has_begun_gets_the_last_event(raises: bool) -> None:
    """A stream whose next run is refused ends with `stopped`, whatever became of the error."""
    work = Work()

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await start(send, kind="text/event-stream")
        await body(send, b"data: first\n\n", more=True)
        await work.start()
        try:
            await work.start()
        except supervisor.Stopped:
            if raises:
                raise

    async with serving(app := hosted(app)) as lifespan:
        client = get(app)
        await work.has_begun.wait()
        lifespan.state["supervisor"].stop("Enough")
        await client.end()
    assert client.is_complete
    first, last = client.body.decode().split("\n\n", 1)
    assert first == "data: first"
    fields = dict(line.split(": ", 1) for line in last.split("\n") if line)
    assert fields["event"] == "stopped"
    assert json.loads(fields["data"])["stop_reason"] == "Enough"


async def test_another_stream_that_is_cut_is_not_completed() -> None:
    """A response of no events is left incomplete: its client must not take it for whole."""
    work = Work()

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"first", more=True)
        await work.start()
        await work.start()

    async with serving(app := hosted(app)) as lifespan:
        client = get(app)
        await work.has_begun.wait()
        lifespan.state["supervisor"].stop("Enough")
        with pytest.raises(supervisor.Stopped):
            await client.end()
    assert not client.is_complete


async def test_a_handler_may_answer_with_a_file() -> None:
    """A file that the server reads by itself is an answer, also behind a refused run."""

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(supervisor.Stopped):
            await supervisor.current().iterate(_items())
        await start(send)
        await send({"type": "http.response.pathsend", "path": __file__})

    async with serving(app := hosted(app)) as lifespan:
        lifespan.state["supervisor"].stop("Enough")
        client = await get(app).end()
    assert client.status == 200
    assert client.sent[-1]["type"] == "http.response.pathsend"


async def test_a_stop_ends_the_run_of_a_request_in_order() -> None:
    """A request whose run is stopped gets the run's result, and its response is whole."""
    work = Work()
    async with serving(app := hosted(answering(work))) as lifespan:
        client = get(app)
        await work.has_begun.wait()
        lifespan.state["supervisor"].stop("Enough")
        await client.end()
    assert (client.status, client.body) == (200, b"first")


async def test_readiness_is_503_from_the_stop_on() -> None:
    """The path of `ready_path` is answered by us, and nothing else is."""
    app = hosted(answering(Work()), ready_path="/ready")
    async with serving(app) as lifespan:
        assert (await get(app, "/ready").end()).status == 200
        lifespan.state["supervisor"].stop("Enough")
        assert (await get(app, "/ready").end()).status == 503
        assert (await get(app, "/").end()).status == 503


async def test_readiness_is_answered_below_a_root_path() -> None:
    """The path is that of the application, whether its server puts the root path before or not."""
    app = hosted(answering(Work()), ready_path="/ready")
    async with serving(app):
        below = await get(app, "/api/ready", root_path="/api").end()
        beside = await get(app, "/ready", root_path="/api").end()
    assert (below.body, beside.body) == (b"ready\n", b"ready\n")


async def test_a_handler_that_ends_the_process_does_so() -> None:
    """A `SystemExit` of a request whose run was refused is not taken for the refusal."""

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        try:
            await supervisor.current().iterate(_items())
        except supervisor.Stopped:
            raise KeyboardInterrupt from None

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope: dict[str, object] = {"type": "http", "path": "/"}
    async with serving(hosted_app := hosted(app)) as lifespan:
        lifespan.state["supervisor"].stop("Enough")
        with pytest.raises(KeyboardInterrupt):
            await hosted_app(scope, receive, send)
    assert sent[0]["status"] == 503


async def test_which_requests_are_sending() -> None:
    """A request counts from its first run to its last byte, for what holds the server's signal."""
    work = Work()
    app = hosted(streaming(work))
    async with serving(app):
        block = app._blocks.here()
        assert block is not None
        assert not block.sending
        client = get(app)
        await work.has_begun.wait()
        assert block.sending
        work.may_end.set()
        await client.end()
        assert not block.sending
