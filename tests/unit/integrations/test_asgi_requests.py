"""The runs of a request, in a plain ASGI application and an in-process server."""

from __future__ import annotations

import supervisor
from supervisor import Supervisor
from supervisor.integrations._asgi.protocol import ConnectionScope, Receive, Send
from supervisor.integrations.asgi import supervised
from tests.unit.integrations.driver import get, serving


async def test_a_handler_has_the_supervisor() -> None:
    """In a handler `current()` and the state of the scope have the same open supervisor."""
    seen: list[Supervisor] = []

    async def app(scope: ConnectionScope, receive: Receive, send: Send) -> None:
        seen.extend([supervisor.current(), scope["state"]["supervisor"]])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with serving(app := supervised(app, signals={})):
        client = await get(app).end()
    assert client.status == 204
    assert seen[0] is seen[1]
