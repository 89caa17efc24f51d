"""What the ASGI wrapper costs a web request that has no run.

An in-process server calls the bare application and the wrapped one in turn, 500 times each, within
one process. The application answers at once in two messages, so the difference is all that a
request pays; a framework and a socket are far more.

`bare` and `supervised` are the time of one request, and `more` is the difference in pairs.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final

from benchmarks._record import Record, record
from benchmarks._script import Effort, main, rotated
from benchmarks._teams import LOOPS
from supervisor.integrations.asgi import supervised

Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[Any]]

_BATCH: Final = 500
ROUNDS: Final = 200


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


async def _times(rounds: int) -> dict[str, list[float]]:
    apps: dict[str, App] = {"bare": bare, "supervised": supervised(bare)}
    times: dict[str, list[float]] = {name: [] for name in apps}
    async with _serving(apps["supervised"]):
        for number in range(rounds + 1):
            for name in rotated([*apps], number):
                seconds = await _batch(apps[name])
                if number:  # the first round warms up
                    times[name].append(seconds)
    return times


def measure(effort: Effort) -> Iterator[Record]:
    """Measure on both loops."""
    for loop, factory in LOOPS.items():
        with asyncio.Runner(loop_factory=factory) as runner:
            times = runner.run(_times(effort.rounds(ROUNDS)))
        for name, seconds in times.items():
            yield record(("request", "plain", name, loop), seconds)
        pairs = zip(times["bare"], times["supervised"], strict=True)
        yield record(("request", "plain", "more", loop), [ours - base for base, ours in pairs])


if __name__ == "__main__":
    main(__name__, measure)
