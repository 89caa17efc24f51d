"""One WebSocket, between a server and its application."""

from __future__ import annotations

import asyncio
from typing import Final

from supervisor._core.errors import Quarantined
from supervisor.integrations._asgi.answers import answer_unavailable, retry_after
from supervisor.integrations._asgi.block import HostedBlock
from supervisor.integrations._asgi.protocol import ASGIApp, ConnectionScope, Message, Receive, Send
from supervisor.integrations._asgi.read_ahead import ReadAhead
from supervisor.integrations._asgi.request_runs import RequestRuns
from supervisor.integrations.streams import stopped_message

SERVICE_RESTART: Final = 1012
_INTERNAL_ERROR: Final = 1011
_SETTLED_SECONDS: Final = 0.5  # until a handler that listens all the time has sent a run's result


class WebSocket:
    """One WebSocket. Its client may ask for many runs, one after the other.

    It is at rest, and the server may close it, while its application waits for the client.

    Args:
        block: The block in which it is handled.
        receive: The server's.
        send: The server's.
        stops_on_disconnect: Whether its runs are stopped when the client leaves.
    """

    def __init__(
        self, block: HostedBlock, receive: Receive, send: Send, *, stops_on_disconnect: bool
    ) -> None:
        self._block = block
        self._send = send
        self._receive = ReadAhead(receive, self._leave)
        self.runs = RequestRuns(block, self._receive.begin if stops_on_disconnect else None)
        self.runs.on_over = self._look_later
        self._is_accepted = False
        self._is_closed = False

    async def run(self, app: ASGIApp, scope: ConnectionScope) -> None:
        """Have the application handle it."""
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            if not await self._settle(scope, error):
                raise
        else:
            await self._settle(scope, None)
        finally:
            self._receive.close()
            self.runs.complete()

    # -- what its client sends -------------------------------------------------------------------

    async def receive(self) -> Message:
        """Return the client's next message, for the application."""
        if self.runs.are_any and self.runs.are_over:
            self.runs.rest()
        return await self._receive()

    def _leave(self, message: Message) -> None:
        self._is_closed = True
        if message.get("code") == SERVICE_RESTART:
            self.runs.drain()  # a server closes so as it shuts down, and a client may
        else:
            self.runs.leave()

    def _look_later(self) -> None:
        if self._receive.is_asked:
            self._block.loop.call_later(_SETTLED_SECONDS, self._look)

    def _look(self) -> None:
        if self.runs.are_over and self._receive.is_asked:
            self.runs.rest()

    # -- what the application sends -------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Pass a message on, unless it closes because a run came to nothing."""
        kind = message["type"]
        if kind == "websocket.accept":
            self._is_accepted = True
        elif kind == "websocket.http.response.start":  # a response in place of the handshake
            self._is_closed = True
        elif kind == "websocket.close":
            if self._is_closed:
                return
            is_failure = message.get("code") == _INTERNAL_ERROR
            if is_failure and self.runs.refusal is not None and self._is_accepted:
                await self._close_for_stop()
                return
            self._is_closed = True
        try:
            await self._send(message)
        except OSError:  # a server's way to say that the client has left
            self.runs.leave()
            raise

    # -- what becomes of one that the application has not closed ----------------------------------

    async def _settle(self, scope: ConnectionScope, error: BaseException | None) -> bool:
        """Close it where a run was refused, or was given up.

        Returns:
            Whether that was all that the error of the application had to say.
        """
        task = asyncio.current_task()
        if task is not None and task.cancelling() > 0:
            return False
        if self.runs.refusal is None:
            return False
        if not self._is_closed:
            await (self._close_for_stop() if self._is_accepted else self._deny(scope))
        return error is None or isinstance(error, asyncio.CancelledError | Quarantined)

    async def _close_for_stop(self) -> None:
        self._is_closed = True
        assert self.runs.refusal is not None
        seconds = retry_after(self._block.sup.ladder)
        text = stopped_message(self.runs.refusal, retry_after=seconds)
        await self._send({"type": "websocket.send", "text": text})
        await self._send({"type": "websocket.close", "code": SERVICE_RESTART})

    async def _deny(self, scope: ConnectionScope) -> None:
        self._is_closed = True
        if "websocket.http.response" in (scope.get("extensions") or {}):
            await answer_unavailable(self._send, self._block.sup.ladder, "websocket.http")
        else:
            await self._send({"type": "websocket.close", "code": SERVICE_RESTART})
