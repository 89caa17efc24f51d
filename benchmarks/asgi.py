"""What the ASGI wrapper costs a request that has no run, against the bare application.

    python benchmarks/asgi.py [SECONDS]

An in-process server calls both in turn, in batches, in the same process. The application answers
at once, so the difference is all that a request pays; a framework and a socket are far more.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import Any, Final

from benchmarks._bench import LOOPS, result
from supervisor.integrations.asgi import supervised

Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[Any]]

_BATCH: Final = 500


async def bare(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]
) -> None:
    """Read a request, and answer it in two messages, as frameworks do."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(_: Message) -> None: ...


async def _batch(app: App) -> float:
    """Return the seconds of one request."""
    begin = time.perf_counter()
    for _ in range(_BATCH):
        await app({"type": "http", "path": "/", "state": {}}, _receive, _send)
    return (time.perf_counter() - begin) / _BATCH


@contextlib.asynccontextmanager
async def _serving(app: App) -> AsyncGenerator[None]:
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    answers: asyncio.Queue[Message] = asyncio.Queue()
    lifespan = asyncio.ensure_future(app({"type": "lifespan"}, inbox.get, answers.put))
    await inbox.put({"type": "lifespan.startup"})
    await answers.get()
    try:
        yield
    finally:
        await inbox.put({"type": "lifespan.shutdown"})
        await lifespan


async def measure(seconds: float) -> tuple[float, float]:
    """Return the median seconds of a request without and with a supervisor."""
    wrapped = supervised(bare)
    times: dict[App, list[float]] = {bare: [], wrapped: []}
    async with _serving(wrapped):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for app, found in times.items():
                found.append(await _batch(app))
    return statistics.median(times[bare]), statistics.median(times[wrapped])


def main() -> None:
    """Measure on each loop."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    for name, factory in LOOPS.items():
        with asyncio.Runner(loop_factory=factory) as runner:
            without, wrapped = runner.run(measure(seconds))
        cost = f"{(wrapped - without) * 1e6:.1f} us more ({without * 1e6:.1f} without us)"
        result(f"a request without a run, {name}", cost)


if __name__ == "__main__":
    main()
