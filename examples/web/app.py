"""Conversations in a browser: they stream, can be stopped, and go on while the page is reloaded.

pip install 'autogen-supervisor[web]'
.venv/bin/uvicorn examples.web.app:app              then open http://127.0.0.1:8000

A run belongs to the server here, and not to the page that has started it: so the events of each are
kept, in the memory of one process, and every page that asks gets them from the beginning. Ctrl-C
or SIGTERM ends each run in order, its pages are told, and the server ends as it always does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field

from examples.teams import writers
from supervisor import Run, current
from supervisor.integrations.asgi import SupervisorMiddleware
from supervisor.integrations.streams import SSE_HEADERS, StreamEvent, stream_events

PAGE = Path(__file__).with_name("index.html")

app = FastAPI()
app.add_middleware(SupervisorMiddleware, on_disconnect="continue")


class Task(BaseModel):
    """What a team is asked to do."""

    text: str = Field(min_length=1)


class Conversation:
    """One run, and the events that it has had so far.

    Args:
        number: By which it is known.
        task: What the team was asked to do.
        run: The run.
    """

    def __init__(self, number: int, task: str, run: Run[Any, Any]) -> None:
        self.number = number
        self.task = task
        self.run = run
        self.status = "running"
        self._events: list[StreamEvent] = []
        self._changed = asyncio.Event()

    async def record(self) -> None:
        """Run the run to its end, and keep its events."""
        async for event in stream_events(self.run):
            self._events.append(event)
            if event.is_last:
                self.status = event.event
            self._changed.set()
            self._changed = asyncio.Event()

    async def follow(self, number: int) -> AsyncGenerator[bytes]:
        """Yield the events after the one of this number, as server-sent events, to the last."""
        if self.status != "running" and number >= len(self._events):
            number = 0  # of another conversation, before the server was started anew
        while True:
            for event in self._events[number:]:
                yield event.encode()
                if event.is_last:
                    return
                number += 1
            await self._changed.wait()

    def facts(self) -> dict[str, Any]:
        """Return what the list on the page shows."""
        return {"number": self.number, "task": self.task, "status": self.status}


conversations: dict[int, Conversation] = {}


def find(number: int) -> Conversation:
    """Return a conversation, or answer 404."""
    if number not in conversations:
        raise HTTPException(404, "There is no such conversation; the server may have restarted.")
    return conversations[number]


@app.get("/")
def page() -> FileResponse:
    """Return the page."""
    return FileResponse(PAGE)


@app.get("/runs")
async def list_runs() -> list[dict[str, Any]]:
    """Return all conversations, the newest first."""
    return [conversation.facts() for conversation in reversed(conversations.values())]


@app.post("/runs", status_code=201)
async def start(task: Task) -> dict[str, Any]:
    """Start a conversation; while the server stops, the answer is 503."""
    sup, number = current(), len(conversations) + 1
    if sup.stop_request is not None:
        raise HTTPException(503, "The server is stopping.", {"Retry-After": "10"})
    conversation = Conversation(number, task.text, sup.stream(writers(), task.text))
    sup.spawn(conversation.record())
    conversations[number] = conversation
    return conversation.facts()


@app.get("/runs/{number}/events")
async def follow(number: int, last_event_id: Annotated[int, Header(ge=0)] = 0) -> StreamingResponse:
    """Stream a conversation: from the beginning, or for a browser that was cut off, from there."""
    return StreamingResponse(find(number).follow(last_event_id), headers=SSE_HEADERS)


@app.post("/runs/{number}/stop", status_code=204)
async def stop(number: int) -> None:
    """Stop a conversation; its stream ends with the event `stopped`."""
    find(number).run.stop("You pressed Stop")
