"""One HTTP request, between a server and its application.

While a stop is on, the start of a response is kept back until there is a body. So a handler that
streams, and whose run is refused behind the start, can still be answered for with 503.
"""

from __future__ import annotations

import asyncio
from typing import Final

from supervisor._core.errors import Quarantined
from supervisor.integrations._asgi.answers import answer_unavailable, retry_after
from supervisor.integrations._asgi.block import HostedBlock
from supervisor.integrations._asgi.protocol import ASGIApp, ConnectionScope, Message, Receive, Send
from supervisor.integrations._asgi.read_ahead import ReadAhead
from supervisor.integrations._asgi.request_runs import RequestRuns
from supervisor.integrations.streams import stopped_event

_OK: Final = 200
_SERVER_ERROR: Final = 500
_ENDS_PROCESS: Final = (SystemExit, KeyboardInterrupt)
_BEHIND_ANYTHING: Final = b"\n\n"  # also behind half an event


class HttpRequest:
    """One request.

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
        self._start: Message | None = None
        self._kept_back: Message | None = None  # the start, until there is a body
        self._is_answered = False  # by us, in place of the application
        self._is_complete = False

    async def run(self, app: ASGIApp, scope: ConnectionScope) -> None:
        """Have the application handle it."""
        try:
            await app(scope, self._receive, self.send)
        except BaseException as error:
            if not await self._settle(error):
                raise
        else:
            if not self._is_complete:
                await self._settle(None)
        finally:
            self._receive.close()
            self.runs.complete()

    def _leave(self, _: Message) -> None:
        self.runs.leave()

    # -- what the application sends -------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Pass a message on, unless it is the framework's answer to a run that came to nothing."""
        if self._is_answered:
            return
        if message["type"] == "http.response.start":
            self._start = message
            if self._block.is_stopping:
                await self._keep_back(message)
                return
        elif self._kept_back is not None and not await self._flush(self._kept_back, message):
            return
        if is_last := _is_last(message):
            self._is_complete = True
            self.runs.let_go()
        await self._pass_on(message)
        if is_last:
            self.runs.rest()

    async def _keep_back(self, start: Message) -> None:
        if self.runs.refusal is not None and start["status"] == _SERVER_ERROR:
            await self._answer_unavailable()
        else:
            self._kept_back = start

    async def _flush(self, start: Message, following: Message) -> bool:
        """Send the start that was kept back; return whether the rest of the response may follow."""
        self._kept_back = None
        tells_nothing = _is_empty(following) or _takes_events(start)
        if self.runs.refusal is not None and start["status"] == _OK and tells_nothing:
            await self._answer_unavailable()  # of a stream that has nothing but the refusal to tell
            return False
        await self._pass_on(start)
        return True

    async def _pass_on(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:  # a server's way to say that the client has left
            self.runs.leave()
            raise

    # -- what becomes of a response that the application has not completed ------------------------

    async def _settle(self, error: BaseException | None) -> bool:
        """Complete the response where a stop has cut it.

        Returns:
            Whether that was all that the error of the application had to say.
        """
        if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
            return False
        has_started = self._start is not None and self._kept_back is None
        if self._is_answered or self._is_complete:
            return self._is_answered
        if not has_started and self.runs.refusal is not None:
            await self._answer_unavailable()
            return not isinstance(error, _ENDS_PROCESS)
        if has_started and await self._end_stream():
            return error is None or isinstance(error, asyncio.CancelledError | Quarantined)
        if self._kept_back is not None and error is None:
            await self._pass_on(self._kept_back)
        return False

    async def _answer_unavailable(self) -> None:
        self._is_answered = True
        self.runs.let_go()
        await answer_unavailable(self._send, self._block.sup.ladder)

    async def _end_stream(self) -> bool:
        request = self._block.scope.stop.request
        if request is None or not self.runs.are_any or self._start is None:
            return False
        if not _takes_events(self._start):
            return False
        self._is_complete = True
        self.runs.let_go()
        seconds = retry_after(self._block.sup.ladder)
        body = _BEHIND_ANYTHING + stopped_event(request, retry_after=seconds)
        await self._send({"type": "http.response.body", "body": body})
        return True


def _is_last(message: Message) -> bool:
    kind = message["type"]
    if kind == "http.response.body":
        return not message.get("more_body")
    return bool(kind == "http.response.pathsend")  # a whole file, which the server reads


def _is_empty(message: Message) -> bool:
    has_more = message.get("body") or message.get("more_body")
    return message["type"] == "http.response.body" and not has_more


def _takes_events(start: Message) -> bool:
    """Return whether a response consists of server-sent events, to which one can be added."""
    headers = {bytes(name).lower(): bytes(value) for name, value in start.get("headers", ())}
    is_plain = b"content-encoding" not in headers and b"content-length" not in headers
    return is_plain and headers.get(b"content-type", b"").lower().startswith(b"text/event-stream")


def _is_being_cancelled() -> bool:
    """Return whether the server cancels this request, by its own will."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
