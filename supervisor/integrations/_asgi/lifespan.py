"""The lifespan of a server: the block opens before the application starts, and ends before it does.

Many applications have no lifespan: they raise, or return, where they are asked for one. Then it is
answered in their place. One that fails in its start-up does so after it has received the message;
its failure goes to the server, as without us.
"""

from __future__ import annotations

from typing import Final

from supervisor._core.errors import SupervisorError
from supervisor._supervisor import nesting
from supervisor.integrations._asgi.block import HostedBlock
from supervisor.integrations._asgi.blocks import Blocks
from supervisor.integrations._asgi.protocol import ASGIApp, ConnectionScope, Message, Receive, Send

_KINDS: Final = ("startup", "shutdown")


async def run_lifespan(
    app: ASGIApp, blocks: Blocks, scope: ConnectionScope, receive: Receive, send: Send
) -> None:
    """Run an application's lifespan around and inside the block of a server."""
    try:
        block = await blocks.open()
    except SupervisorError as error:
        await fail_start(error, receive, send)
        return
    scope.setdefault("state", {})["supervisor"] = block.sup
    lifespan = _Lifespan(block, receive, send)
    token = nesting.use(block.scope)
    try:
        await lifespan.run(app, scope)
    finally:
        token.var.reset(token)
        await block.close()


async def fail_start(error: Exception, receive: Receive, send: Send) -> None:
    """Tell the server that the start-up has failed, and why."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": str(error)})


class _Lifespan:
    """The messages of one lifespan, between a server and its application."""

    def __init__(self, block: HostedBlock, receive: Receive, send: Send) -> None:
        self._block = block
        self._receive = receive
        self._send = send
        self._asked: set[str] = set()
        self._answered: set[str] = set()

    async def run(self, app: ASGIApp, scope: ConnectionScope) -> None:
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            if self._asked:
                raise
        for kind in _KINDS:  # in the place of one that has no lifespan, or left it early
            if kind not in self._asked:
                await self.receive()
            if kind not in self._answered:
                await self.send({"type": f"lifespan.{kind}.complete"})

    async def receive(self) -> Message:
        message = await self._receive()
        kind = message["type"].removeprefix("lifespan.")
        self._asked.add(kind)
        if kind == "shutdown":
            await self._block.close()  # what is at work may need what the application closes
        return message

    async def send(self, message: Message) -> None:
        _, kind, outcome = message["type"].split(".")
        self._answered.add(kind)
        if outcome == "failed":
            self._asked.update(_KINDS)
            self._answered.update(_KINDS)
        elif kind == "startup":
            self._block.signals.look()
        await self._send(message)
