"""Clients of the servers: they read to the last byte, and say whether a response was cut."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

import h11
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

PATIENCE: Final = 40.0


@dataclass(frozen=True, kw_only=True)
class Event:
    """A server-sent event."""

    name: str
    data: str

    @property
    def json(self) -> Any:
        """What its data says."""
        return json.loads(self.data)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A complete response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What its body says."""
        return json.loads(self.body)


def get(port: int, path: str, seconds: float = PATIENCE) -> Answer:
    """Request `path` on a connection of its own.

    Raises:
        OSError: The connection was refused, or nothing came in time.
        h11.RemoteProtocolError: The response was cut.
    """
    with Connection(port, seconds) as connection:
        return connection.get(path)


class Connection:
    """A connection that is kept alive between its requests, as browsers keep it.

    Not `http.client`, whose `readline` takes a response that was cut for one that has ended.
    """

    def __init__(self, port: int, seconds: float = PATIENCE) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), seconds)
        self._http = h11.Connection(h11.CLIENT)

    def get(self, path: str) -> Answer:
        """Request `path`, and wait for the whole response."""
        self.request(path)
        return self.answer()

    def request(self, path: str) -> None:
        """Request `path`."""
        if self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        request = h11.Request(method="GET", target=path, headers=[("host", "127.0.0.1")])
        data = self._http.send(request)
        assert data is not None
        self._socket.sendall(data)
        self._http.send(h11.EndOfMessage())

    def answer(self) -> Answer:
        """Wait for the response to what was requested."""
        start = self.start()
        headers = {name.decode(): value.decode() for name, value in start.headers}
        return Answer(status=start.status_code, headers=headers, body=b"".join(self.body()))

    def start(self) -> h11.Response:
        """Wait for the start of a response."""
        start = self._next()
        assert isinstance(start, h11.Response), start
        return start

    def body(self) -> Iterator[bytes]:
        """Read to the end of the response."""
        while isinstance(data := self._next(), h11.Data):
            yield bytes(data.data)
        assert isinstance(data, h11.EndOfMessage), data

    def _next(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(self._socket.recv(65536))
        return event

    def close(self) -> None:
        """Go away, whatever is on its way."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stream(Connection):
    """Reads a stream of server-sent events."""

    def __init__(self, port: int, path: str, seconds: float = PATIENCE) -> None:
        super().__init__(port, seconds)
        self.request(path)
        self.status = self.start().status_code
        self.events: list[Event] = []
        self._events = self._parse()

    def next(self) -> Event | None:
        """Return the next event; None at the end of a response that is complete.

        Raises:
            OSError: The connection was reset, or nothing came in time.
            h11.RemoteProtocolError: The connection has ended before the response.
        """
        return next(self._events, None)

    def rest(self) -> str:
        """Read to the end; return "complete", or what cut the response."""
        try:
            while self.next() is not None:
                pass
        except (OSError, h11.RemoteProtocolError) as error:
            return f"cut: {error!r}"
        return "complete"

    def _parse(self) -> Iterator[Event]:
        text = b""
        for data in self.body():
            *whole, text = (text + data).split(b"\n\n")
            for event in map(_event, whole):
                self.events.append(event)
                yield event


def _event(text: bytes) -> Event:
    name, data = "message", list[str]()
    for line in text.decode().splitlines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
    return Event(name=name, data="\n".join(data))


class Socket:
    """Reads from a WebSocket."""

    def __init__(self, port: int, path: str) -> None:
        # Its context manager would not be left in a test that holds many.
        self.connection: ClientConnection = connect(
            f"ws://127.0.0.1:{port}{path}",
            open_timeout=PATIENCE,
            close_timeout=1,
            proxy=None,
            legacy=True,
        )
        self.messages: list[str] = []

    def next(self) -> str:
        """Return the next message.

        Raises:
            ConnectionClosed: There is none.
        """
        message = self.connection.recv(PATIENCE)
        text = message if isinstance(message, str) else message.decode()
        self.messages.append(text)
        return text

    def send(self, text: str) -> None:
        """Send a message."""
        self.connection.send(text)

    def rest(self) -> int:
        """Read to the end; return the code of the close frame, 1006 where none came."""
        try:
            while True:
                self.next()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006

    def close(self) -> None:
        """Close it in order."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
