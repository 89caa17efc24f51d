"""What a client sends, read ahead of the application where a disconnect has to be noticed.

An ASGI server tells of a disconnect only who asks: by `receive()`. A handler that streams events
does not ask. So while a request has a run, a task of ours asks in its place, and keeps what else it
is given for the application. What it keeps is bounded: a client that uploads is slowed down by the
application, as without us, and behind an upload that nobody reads a disconnect is not seen.

Where no run was started yet, and where the application itself is asking, nothing is read ahead: of
two that ask at once, a server would give the message to one of them.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from typing import Final

from supervisor.integrations._asgi.protocol import Message, Receive

BUFFER_BYTES: Final = 256 * 1024
_MESSAGE_BYTES: Final = 512  # what an empty one counts, so that their number is bounded too
_ENDS: Final = frozenset(("http.disconnect", "websocket.disconnect"))


class ReadAhead:
    """The messages of one client; called by the application as `receive`.

    Args:
        receive: The server's.
        on_disconnect: Called with the message of a disconnect before the application gets it.
    """

    def __init__(self, receive: Receive, on_disconnect: Callable[[Message], None]) -> None:
        self._receive = receive
        self._on_disconnect = on_disconnect
        self._buffer: deque[Message] = deque()
        self._size = 0
        self._end: Message | None = None  # given to whoever asks behind it
        self._error: BaseException | None = None
        self._changed: asyncio.Event | None = None  # since it was first to be read ahead
        self._askers = 0  # calls of the application that wait for the server
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def is_asked(self) -> bool:
        """Whether the application waits for a message now."""
        return self._askers > 0

    async def __call__(self) -> Message:
        """Return the client's next message, for the application."""
        self._askers += 1
        try:
            if self._task is not None:
                return await self._take()
            message = self._end or await self._receive()
            is_end = message["type"] in _ENDS
            if is_end:
                self._note_end(message)
        finally:
            self._askers -= 1
            if self._changed is not None and self._task is None and not self._askers:
                self._start()
        if is_end and self._changed is not None:
            await asyncio.sleep(0)  # one of the runs that this ends may be who has asked
        return message

    # -- reading ahead ------------------------------------------------------------------------

    def begin(self) -> None:
        """Read ahead from here on, as soon as the application does not ask by itself."""
        if self._changed is None:
            self._changed = asyncio.Event()
            if not self._askers:
                self._start()

    def close(self) -> None:
        """Read no further: the application has returned."""
        self._is_closed = True
        self._on_disconnect = _ignore  # or each request would wait for the collector of garbage
        if self._task is not None:
            self._task.cancel()
            self._tell()

    def _start(self) -> None:
        if self._end is None and not self._is_closed:
            # In no run's context, whose stop would end it, too.
            self._task = asyncio.get_running_loop().create_task(
                self._read(), name="reads ahead of a request", context=contextvars.Context()
            )

    async def _read(self) -> None:
        try:
            while self._end is None:
                message = await self._receive()
                if message["type"] in _ENDS:
                    self._note_end(message)
                else:
                    self._buffer.append(message)
                    self._size += _size_of(message)
                self._tell()
                while self._size >= BUFFER_BYTES:
                    await self._change()
        except BaseException as error:
            self._error = error  # the server's, for the application
            self._tell()
            if not isinstance(error, Exception):
                raise

    async def _take(self) -> Message:
        while not self._buffer:
            if self._end is not None:
                return self._end
            if self._is_closed:
                return await self._receive()
            if self._error is not None:
                raise self._error
            await self._change()
        message = self._buffer.popleft()
        self._size -= _size_of(message)
        self._tell()
        return message

    def _note_end(self, message: Message) -> None:
        if self._end is None:
            self._end = message
            self._on_disconnect(message)

    def _tell(self) -> None:
        assert self._changed is not None
        self._changed.set()

    async def _change(self) -> None:
        assert self._changed is not None
        self._changed.clear()
        await self._changed.wait()


def _ignore(_: Message) -> None:
    """Take no notice of a disconnect behind the end."""


def _size_of(message: Message) -> int:
    parts = (message.get("body"), message.get("bytes"), message.get("text"))
    return _MESSAGE_BYTES + sum(len(part) for part in parts if part)
