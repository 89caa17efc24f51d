"""An application that streams by our helpers, and by what web frameworks bring for it.

`sse_starlette` replaces a method of uvicorn's as it is imported. `IMPORTS_SSE_STARLETTE` says when
that is: "early" (with this module), "late" (at the first request for it), or "never".
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import AsyncGenerator
from typing import Any

from autogen_agentchat.agents import UserProxyAgent
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from supervisor import Run, current
from supervisor.integrations.asgi import supervised
from supervisor.integrations.streams import (
    SSE_HEADERS,
    input_from,
    send_events,
    sse,
    stream_events,
)
from tests.agents import Streaming, team

if os.environ.get("IMPORTS_SSE_STARLETTE") == "early":
    pass

api = FastAPI()


def _counting() -> Run[Any, Any]:
    return current().stream(team(Streaming(n=1, pause=0.1), turns=100_000), "go")


@api.get("/plain")
async def plain() -> dict[str, bool]:
    """Answer at once."""
    return {"ok": True}


@api.get("/ours")
async def ours() -> StreamingResponse:
    """Stream by our bytes."""
    return StreamingResponse(sse(_counting()), headers=SSE_HEADERS)


@api.get("/fastapi", response_class=EventSourceResponse)
async def fastapis() -> AsyncGenerator[ServerSentEvent]:
    """Stream by FastAPI's server-sent events."""
    async for event in stream_events(_counting()):
        yield ServerSentEvent(
            event=event.event, raw_data=event.data, id=event.id, retry=event.retry
        )


@api.get("/sse-starlette")
async def sse_starlettes() -> Any:
    """Stream by sse-starlette."""
    import sse_starlette

    async def events() -> AsyncGenerator[dict[str, Any]]:
        async for event in stream_events(_counting()):
            yield dataclasses.asdict(event)

    return sse_starlette.EventSourceResponse(events(), sep="\n")


@api.websocket("/count")
async def count(websocket: WebSocket) -> None:
    """Send what is said."""
    await websocket.accept()
    await send_events(_counting(), websocket.send_text, websocket.close)


@api.websocket("/ask")
async def ask(websocket: WebSocket) -> None:
    """Let the client's user take part."""
    await websocket.accept()
    user = UserProxyAgent("user", input_func=input_from(websocket.receive_text))
    run = current().stream(team(user, turns=1), "Which colour?")
    await send_events(run, websocket.send_text, websocket.close)
    print("the answer is over:", run.stop_request and run.stop_request.reason, flush=True)


app = supervised(api)
