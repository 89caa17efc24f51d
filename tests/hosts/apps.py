"""The applications that the servers run: without a supervisor, and with one.

Each has the same endpoints: `/plain` has no run, `/answer/TEAM` awaits one, `/stream/TEAM` streams
one as server-sent events, and `/socket/TEAM` as messages of a WebSocket. TEAM is a key of `TEAMS`.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from autogen_agentchat.base import TaskResult, Team
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.agents import Deaf, Streaming, Stubborn, Tidy, team
from tests.hosts.scenes import STARTED

_MANY: Final = 100_000  # turns: for ever

TEAMS: Final[dict[str, Callable[[], Team]]] = {
    "short": lambda: team(Streaming(n=1), turns=2),
    "counting": lambda: team(Streaming(n=1, pause=0.1), turns=_MANY),
    "waiting": lambda: team(Tidy(seconds=0.0)),
    "deaf": lambda: team(Deaf()),
    "stubborn": lambda: team(Stubborn()),
}


class Endpoints:
    """The endpoints, whose runs are started by `start`."""

    def __init__(self, start: Callable[[Team], AsyncGenerator[Any]]) -> None:
        self._start = start

    async def _run(self, request: HTTPConnection) -> AsyncGenerator[Any]:
        is_first = True
        async for event in self._start(TEAMS[request.path_params["team"]]()):
            if is_first:
                print(STARTED, flush=True)
                is_first = False
            yield event

    async def plain(self, _request: Request) -> Response:
        """Answer at once."""
        return JSONResponse({"pid": os.getpid()})

    async def answer(self, request: Request) -> Response:
        """Answer when the run has ended."""
        async for event in self._run(request):
            if isinstance(event, TaskResult):
                return JSONResponse({"reason": event.stop_reason, "said": len(event.messages)})
        raise AssertionError("no result")

    async def stream(self, request: Request) -> Response:
        """Stream what is said."""
        body = (f"data: {_text(event)}\n\n" async for event in self._run(request))
        return StreamingResponse(body, media_type="text/event-stream")

    async def socket(self, websocket: WebSocket) -> None:
        """Send what is said."""
        await websocket.accept()
        async for event in self._run(websocket):
            await websocket.send_text(_text(event))
        await websocket.close()

    def routes(self) -> list[BaseRoute]:
        """Return all of them."""
        return [
            Route("/plain", self.plain),
            Route("/answer/{team}", self.answer),
            Route("/stream/{team}", self.stream),
            WebSocketRoute("/socket/{team}", self.socket),
        ]


def _text(event: Any) -> str:
    if isinstance(event, TaskResult):
        return json.dumps({"type": "result", "stop_reason": event.stop_reason})
    return json.dumps({"type": event.type, "said": event.to_text()})


async def _alone(team: Team) -> AsyncGenerator[Any]:
    async for event in team.run_stream(task="go"):
        yield event


stock = Starlette(routes=Endpoints(_alone).routes())
"""Without a supervisor."""
