"""Disconnects under Starlette, whose cancel scopes cancel a handler again at every await."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from supervisor import Rung
from supervisor.integrations.asgi import SupervisorMiddleware, supervised
from supervisor.integrations.streams import SSE_HEADERS, sse
from supervisor.testing import assert_settled
from tests.unit.integrations.apps import Conversation, Work, hosted, streaming
from tests.unit.integrations.driver import get, post, serving, until

LEFT = "The client has disconnected"


async def _pass_on(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    return await call_next(request)


BASE_HTTP = Middleware(BaseHTTPMiddleware, dispatch=_pass_on)
OURS = Middleware(SupervisorMiddleware, signals={})
SPEC = {
    "2.3": {"asgi": {"version": "3.0", "spec_version": "2.3"}},
    "2.4": {"asgi": {"version": "3.0", "spec_version": "2.4"}},
}


class Streamed:
    """A Starlette application that streams the run of a team."""

    def __init__(self, *around: Middleware, as_sse: bool = False) -> None:
        self.talk = Conversation()
        self.reasons: list[str | None] = []
        self._as_sse = as_sse
        app = Starlette(routes=[Route("/", self._answer)], middleware=[*around])
        self.app: Any = app if OURS in around else supervised(app, signals={})

    async def _answer(self, request: Request) -> Response:
        self.run = request.state.supervisor.stream(self.talk.team, "Talk")
        if self._as_sse:
            return StreamingResponse(sse(self.run), headers=SSE_HEADERS)
        return StreamingResponse(self._texts())

    async def _texts(self) -> AsyncGenerator[str]:
        async for event in self.run:
            yield type(event).__name__


@pytest.mark.parametrize("spec", SPEC.values(), ids=SPEC)
@pytest.mark.parametrize("as_sse", [False, True])
@pytest.mark.parametrize("around", [[], [BASE_HTTP, OURS], [OURS, BASE_HTTP]])
async def test_a_streamed_run_is_settled_after_a_disconnect(
    spec: dict[str, Any], as_sse: bool, around: list[Middleware], caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever notices the disconnect first, the run is settled, and nothing is logged as lost."""
    caplog.set_level(logging.WARNING)
    streamed = Streamed(*around, as_sse=as_sse)
    async with serving(streamed.app):
        client = get(streamed.app, **spec)
        await streamed.talk.is_second.wait()
        client.leave()
        await client.end()
        await until(lambda: streamed.run.result is not None)
        assert_settled(streamed.talk.team)
    assert streamed.run.result is not None
    assert streamed.run.stop_request is not None
    assert streamed.run.stop_request.reason == LEFT
    assert [record.message for record in caplog.records] == []


async def test_a_disconnect_while_a_stop_drains_may_be_the_servers_own() -> None:
    """A server that shuts down may disconnect its clients: a run that drains has its time."""
    work = Work()
    async with serving(app := hosted(streaming(work))) as lifespan:
        client = get(app)
        await work.has_begun.wait()
        lifespan.state["supervisor"].stop("Enough", Rung.DRAIN)
        client.leave()
        for _ in range(5):
            await asyncio.sleep(0)
        work.may_end.set()
        await client.end()
    assert work.reasons == ["Enough"]
    assert work.runs[0].is_drained


async def test_an_upload_is_read_while_a_run_is_at_work() -> None:
    """Starlette's `request.stream()` gets each part in its order, and its end, beside a run."""
    work = Work()

    async def answer(request: Request) -> Response:
        run = asyncio.ensure_future(work.start())
        await work.has_begun.wait()
        size = 0
        async for part in request.stream():
            size += len(part)
        is_left = await request.is_disconnected()
        work.may_end.set()
        await run
        return PlainTextResponse(f"{size} {is_left}")

    app = supervised(Starlette(routes=[Route("/", answer, methods=["POST"])]), signals={})
    async with serving(app):
        client = post(app, parts=40)
        client.say(type="http.request", body=b"end", more_body=False)
        await client.end()
    assert client.body == b"2621443 False"
