"""The applications that the servers run: without a supervisor, and with one.

Each has the same endpoints: `/plain` has no run, `/answer/TEAM` awaits one, `/stream/TEAM` streams
one as server-sent events, and `/socket/TEAM` as messages of a WebSocket. TEAM is a key of `TEAMS`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

from autogen_agentchat.base import TaskResult, Team
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

import supervisor
from supervisor import Ladder, Run, Supervisor
from supervisor.integrations.asgi import SupervisorMiddleware, supervised
from supervisor.integrations.streams import SSE_HEADERS, send_events, sse
from tests.hosts.teams import TEAMS

LADDER: Final = Ladder(drain=1, cancel=0.5, abandon=0.5)
PATIENT: Final = Ladder(drain=60, cancel=60, abandon=1)


async def plain(_request: Request) -> Response:
    """Answer at once."""
    return JSONResponse({"pid": os.getpid()})


def _team_of(request: HTTPConnection) -> Team:
    return TEAMS[request.path_params["team"]]()


# -- without us ----------------------------------------------------------------------------------


def _text(event: Any) -> str:
    if isinstance(event, TaskResult):
        return json.dumps({"type": "result", "stop_reason": event.stop_reason})
    return json.dumps({"type": event.type, "said": event.to_text()})


async def _answer_alone(request: Request) -> Response:
    result = await _team_of(request).run(task="go")
    return JSONResponse({"stop_reason": result.stop_reason, "messages": len(result.messages)})


async def _stream_alone(request: Request) -> Response:
    async def events() -> AsyncIterator[str]:
        async for event in _team_of(request).run_stream(task="go"):
            yield f"data: {_text(event)}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


async def _socket_alone(websocket: WebSocket) -> None:
    await websocket.accept()
    async for event in _team_of(websocket).run_stream(task="go"):
        await websocket.send_text(_text(event))
    await websocket.close()


stock = Starlette(
    routes=[
        Route("/plain", plain),
        Route("/answer/{team}", _answer_alone),
        Route("/stream/{team}", _stream_alone),
        WebSocketRoute("/socket/{team}", _socket_alone),
    ]
)
"""Without a supervisor."""


# -- with us -------------------------------------------------------------------------------------


def _run(request: HTTPConnection) -> Run[Any, TaskResult]:
    return supervisor.current().stream(_team_of(request), "go")


async def _answer(request: Request) -> Response:
    result = await _run(request)
    return JSONResponse({"stop_reason": result.stop_reason, "messages": len(result.messages)})


async def _stream(request: Request) -> Response:
    return StreamingResponse(sse(_run(request)), headers=SSE_HEADERS)


async def _socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await send_events(_run(websocket), websocket.send_text, websocket.close)


open_here: Final[list[Supervisor]] = []
"""The supervisors of this process, for who tells them to stop from elsewhere."""


@contextlib.asynccontextmanager
async def _lifespan(_app: Starlette) -> AsyncGenerator[None]:
    open_here.append(supervisor.current())
    yield


_ROUTES: Final[list[BaseRoute]] = [
    Route("/plain", plain),
    Route("/answer/{team}", _answer),
    Route("/stream/{team}", _stream),
    WebSocketRoute("/socket/{team}", _socket),
]

wrapped = supervised(
    Starlette(routes=_ROUTES, lifespan=_lifespan), ladder=LADDER, ready_path="/ready"
)
"""With a supervisor around it."""


patient = supervised(
    Starlette(routes=_ROUTES, lifespan=_lifespan), ladder=PATIENT, ready_path="/ready"
)
"""With rungs that only a further signal ends in the time of a test."""


async def _dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


around = Starlette(
    routes=_ROUTES,
    lifespan=_lifespan,
    middleware=[
        Middleware(BaseHTTPMiddleware, dispatch=_dispatch),
        Middleware(SupervisorMiddleware, ladder=LADDER, ready_path="/ready"),
    ],
)
"""With one of Starlette's function middlewares around the supervisor."""

inside = supervised(
    Starlette(routes=_ROUTES, middleware=[Middleware(BaseHTTPMiddleware, dispatch=_dispatch)]),
    ladder=LADDER,
    ready_path="/ready",
)
"""With one of Starlette's function middlewares inside the supervisor."""
