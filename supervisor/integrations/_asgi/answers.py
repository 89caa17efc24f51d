"""The answers of our own: 503 while a stop is on, and whether the server is ready."""

from __future__ import annotations

import math
from typing import Final

from supervisor._core.events import Rung
from supervisor._core.settings import Ladder
from supervisor.integrations._asgi.block import HostedBlock
from supervisor.integrations._asgi.protocol import Send

_STOPPING: Final = b"The server is stopping; try again.\n"
_READY: Final = b"ready\n"
_MOST_SECONDS: Final = 60


def retry_after(ladder: Ladder) -> int:
    """Return the seconds after which a client may come again: the whole ladder's, within limits."""
    return max(1, math.ceil(min(ladder.budget(Rung.DRAIN), _MOST_SECONDS)))


async def answer_unavailable(send: Send, ladder: Ladder, kind: str = "http") -> None:
    """Answer a request, or a WebSocket's handshake (as `kind` "websocket.http"), with 503."""
    after = (b"retry-after", str(retry_after(ladder)).encode())
    await _answer(send, kind, 503, _STOPPING, after)


async def answer_ready(send: Send, block: HostedBlock) -> None:
    """Answer a readiness probe."""
    if block.is_stopping:
        await answer_unavailable(send, block.sup.ladder)
    else:
        await _answer(send, "http", 200, _READY)


async def _answer(
    send: Send, kind: str, status: int, body: bytes, *more: tuple[bytes, bytes]
) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *more,
    ]
    await send({"type": f"{kind}.response.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})
