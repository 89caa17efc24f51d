"""An application whose requests own their runs in each way; it prints what becomes of these."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from autogen_agentchat.agents import UserProxyAgent
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse

from supervisor import Run, current
from supervisor.integrations.asgi import SupervisorMiddleware
from supervisor.integrations.streams import input_from, send_events

app = FastAPI()
app.add_middleware(SupervisorMiddleware)
_jobs: set[asyncio.Task[None]] = set()
_may_end = asyncio.Event()


async def _numbers(last: int) -> AsyncGenerator[int]:
    for number in range(last):
        yield number
    if not last:
        print("waiting", flush=True)
        await _may_end.wait()
        yield 0


async def _tell(name: str, run: Run[Any, Any]) -> None:
    await run
    why = run.stop_request.reason if run.stop_request is not None else "finished"
    print(f"{name}: {why}", flush=True)


@app.get("/plain")
async def plain() -> str:
    """Answer at once."""
    return "plain"


@app.get("/count")
async def count() -> int:
    """Answer once a short run has ended."""
    return len(await current().iterate(_numbers(3)))


@app.get("/wait")
async def wait() -> None:
    """Wait for a run that ends only when it is stopped, and never read."""
    await _tell("wait", current().iterate(_numbers(0)))


@app.get("/job", status_code=202)
async def job() -> None:
    """Answer before a run has ended."""
    task = asyncio.create_task(_tell("job", current().iterate(_numbers(0))))
    _jobs.add(task)
    task.add_done_callback(_jobs.discard)


@app.get("/end")
async def end() -> None:
    """Let what waits come to its end."""
    _may_end.set()


@app.post("/upload")
async def upload(request: Request) -> int:
    """Read an upload part by part while a run is at work."""
    run = asyncio.ensure_future(current().iterate(_numbers(0)))
    size = 0
    async for part in request.stream():
        size += len(part)
    run.cancel()
    return size


@app.websocket("/deny")
async def deny(websocket: WebSocket) -> None:
    """Answer a handshake by a response, behind a run."""
    said = len(await current().iterate(_numbers(3)))
    await websocket.send_denial_response(PlainTextResponse(f"Denied {said}", 403))


@app.websocket("/ask")
async def ask(websocket: WebSocket) -> None:
    """Ask the client a question, in a run."""
    await websocket.accept()
    user = UserProxyAgent("user", input_func=input_from(websocket.receive_text))
    run = current().stream(user, "Which colour?")
    await send_events(run, websocket.send_text, websocket.close)
    print(f"ask: {run.stop_request.reason if run.stop_request else 'finished'}", flush=True)
