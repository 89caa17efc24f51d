"""Runs as streams, for web pages and other programs: server-sent events, and WebSockets.

```python
@app.get("/haiku")
async def haiku(request: Request) -> StreamingResponse:
    run = request.state.supervisor.stream(make_team(), "Write a haiku")
    return StreamingResponse(sse(run), headers=SSE_HEADERS)
```

Each event of a run is one JSON object, of the same form as those of the command line's
`--output-format stream-json`. The last one tells how the run has ended: `finished`, `stopped` or
`failed`. `docs/guide/streams.md` shows these helpers with web frameworks.

Nothing but the standard library is needed, and no web framework is imported.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Any, Final

from supervisor._core.events import Rung, StopRequest
from supervisor._core.run import Run
from supervisor._core.settings import parse_seconds
from supervisor._reports import run_json
from supervisor.integrations._streams.ending import Ending
from supervisor.integrations._streams.events import EventStream, checked, closes_unstarted
from supervisor.integrations._streams.pauses import with_pauses
from supervisor.integrations._streams.sockets import (
    CloseCode,
    InputFunction,
    close_with,
    input_function,
    send_all,
)
from supervisor.integrations._streams.wire import KEEP_ALIVE, StreamEvent

__all__ = [
    "SSE_HEADERS",
    "StreamEvent",
    "input_from",
    "send_events",
    "sse",
    "stopped_event",
    "stopped_message",
    "stream_events",
    "to_json",
]

SSE_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",  # nginx would keep events back
    }
)
"""The headers of a response whose body is made by `sse`."""


def to_json(event: object) -> str:
    """Return an event of a run as JSON, on one line.

    A message has `type` "message", `kind` (its class), `source`, `content`, `usage`, and then its
    other fields. A chunk has `type` "chunk", `source`, `content` and `message_id`. An image is
    base64 of a PNG file, under `data`. A lone surrogate becomes U+FFFD; NaN and infinity become
    null; what is no JSON is given by its `repr`.

    Args:
        event: A message or an event of AutoGen's, of a class of yours too, or any other object.
    """
    return run_json.text(run_json.event(event))


def stream_events(run: Run[Any, Any], *, show_errors: bool = False) -> AsyncGenerator[StreamEvent]:
    """Run a run, and yield each of its events with its name and as JSON.

    The last one tells how it has ended: `finished`, `stopped` or `failed`. So this raises nothing
    that a run raises; the error of a failed run goes to the loop's exception handler, which logs
    it. If the generator is closed early, the run is stopped.

    Args:
        run: What `Supervisor.stream` or `iterate` returns.
        show_errors: Whether `failed` has the message of the error. It may contain what a client
            should not see.

    Example:
        With FastAPI's own server-sent events:

        ```python
        @app.get("/haiku", response_class=EventSourceResponse)
        async def haiku():
            async for event in stream_events(sup.stream(team, "Write a haiku")):
                yield ServerSentEvent(
                    event=event.event, raw_data=event.data, id=event.id, retry=event.retry
                )
        ```
    """
    return closes_unstarted(EventStream(checked(run), show_errors=show_errors).events(), run)


def sse(
    run: Run[Any, Any], *, keep_alive: float = 15.0, show_errors: bool = False
) -> AsyncGenerator[bytes]:
    """Run a run, and yield its events as the bytes of server-sent events.

    It is the body of a response with the headers `SSE_HEADERS`. A client that leaves stops the run.

    Args:
        run: What `Supervisor.stream` or `iterate` returns.
        keep_alive: Seconds without an event after which a comment is sent, so that no proxy takes
            the connection for dead; 0 sends none.
        show_errors: As for `stream_events`.

    Raises:
        SettingsError: `keep_alive` is no number of seconds.
        TypeError: `run` is no run.
    """
    seconds = parse_seconds("keep_alive", keep_alive)
    stream = EventStream(checked(run), show_errors=show_errors)
    return closes_unstarted(_encoded(stream, seconds if 0 < seconds < math.inf else None), run)


async def _encoded(stream: EventStream, keep_alive: float | None) -> AsyncGenerator[bytes]:
    async with aclosing(with_pauses(stream.events(), keep_alive)) as events:
        async for event in events:
            yield KEEP_ALIVE if event is None else event.encode()


async def send_events(
    run: Run[Any, Any],
    send: Callable[[str], Awaitable[object]],
    close: Callable[[int], Awaitable[object]] | None = None,
    *,
    show_errors: bool = False,
) -> int:
    """Run a run, and send its events over a WebSocket, each as one text message.

    A client that leaves stops the run, and is no error.

    Args:
        run: What `Supervisor.stream` or `iterate` returns.
        send: Sends a text: Starlette's `websocket.send_text`, Quart's `websocket.send`.
        close: Closes the socket with a code: `websocket.close`. None leaves the socket open, for
            another run.
        show_errors: As for `stream_events`.

    Returns:
        The close code that says how it has ended: 1012 (service restart) where the program stops,
        1011 (internal error) where the run has failed, 1001 (going away) where `send`
        has raised that the client has left, else 1000.
    """
    stream = EventStream(checked(run), show_errors=show_errors)
    if not await send_all(stream, send):
        return CloseCode.GOING_AWAY
    code = CloseCode.NORMAL
    if stream.is_shut_down:
        code = CloseCode.SERVICE_RESTART
    elif stream.has_failed:
        code = CloseCode.INTERNAL_ERROR
    if close is not None:
        await close_with(code, close)
    return code


def stopped_event(stop: StopRequest | str, *, retry_after: float | None = None) -> bytes:
    """Return the bytes of a last event `stopped`, for a stream that you write yourself.

    Args:
        stop: The stop, or its reason.
        retry_after: Seconds after which a browser may connect again.
    """
    return _stopped(stop, retry_after).encode()


def stopped_message(stop: StopRequest | str, *, retry_after: float | None = None) -> str:
    """Return the same as a last message for a WebSocket.

    Args:
        stop: The stop, or its reason.
        retry_after: Seconds after which the client may connect again.
    """
    return _stopped(stop, retry_after).data


def _stopped(stop: StopRequest | str, retry_after: float | None) -> StreamEvent:
    if not isinstance(stop, StopRequest | str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{stop!r} is no stop; give a reason, or the stop_request of a run")
    request = StopRequest(reason=stop, rung=Rung.CANCEL) if isinstance(stop, str) else stop
    return Ending(request=request, retry_after=retry_after).event()


def input_from(receive: Callable[[], Awaitable[str]]) -> InputFunction:
    """Return an `input_func` for a `UserProxyAgent` whose user is at a WebSocket.

    The client sees the question as an event of the kind `UserInputRequestedEvent`, and sends its
    answer as a text. If it leaves instead, the run is stopped, and that is no error.

    Args:
        receive: Waits for a text: Starlette's `websocket.receive_text`, Quart's
            `websocket.receive`.

    Example:
        ```python
        user = UserProxyAgent("user", input_func=input_from(websocket.receive_text))
        ```
    """
    return input_function(receive)


def __dir__() -> list[str]:
    return sorted(__all__)
