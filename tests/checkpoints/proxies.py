"""A network between a client and a server that fails when a test says so."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Final, Self
from urllib.parse import urlsplit

_BYTES: Final = 1 << 20


class Proxy:
    """Forwards connections on loopback to another port, in a thread.

    Attributes:
        port: Where it listens.
        before: Called with what a client sends; the connection is cut before it, if that is true.
        after: The same; the connection is cut once the server has answered, and the answer is lost.
        is_silent: Whether nothing is forwarded any more, though connections stay.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.before: Callable[[bytes], bool] = _never
        self.after: Callable[[bytes], bool] = _never
        self.is_silent = False
        self.connections = 0
        self._bell, self._ringer = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._cut_at_answer: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._work, name="proxy")

    def url_for(self, url: str) -> str:
        """Return a URL that leads through it."""
        parts = urlsplit(url)
        return url.replace(f":{parts.port}/", f":{self.port}/")

    def __enter__(self) -> Self:
        for end in (self._listener, self._bell):
            self._selector.register(end, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ringer.send(b"!")
        self._thread.join(10)
        for end in (*self._pairs, self._listener, self._bell, self._ringer):
            end.close()
        self._selector.close()

    def _work(self) -> None:
        while True:
            for key, _ in self._selector.select():
                end = key.fileobj
                assert isinstance(end, socket.socket)
                if end is self._bell:
                    return
                if end is self._listener:
                    self._accept()
                elif end in self._pairs:  # it was not cut a moment ago
                    self._forward(end)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._target))
        self.connections += 1
        self._clients.add(client)
        for end, other in ((client, server), (server, client)):
            self._pairs[end] = other
            self._selector.register(end, selectors.EVENT_READ)

    def _forward(self, end: socket.socket) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = end.recv(_BYTES)
        is_cut = end in self._clients and self.before(data)
        if not data or is_cut or end in self._cut_at_answer:
            self._cut(end)
        elif not self.is_silent:
            if end in self._clients and self.after(data):
                self._cut_at_answer.add(self._pairs[end])
            with contextlib.suppress(OSError):
                self._pairs[end].sendall(data)

    def _cut(self, end: socket.socket) -> None:
        for each in (end, self._pairs[end]):
            del self._pairs[each]
            self._selector.unregister(each)
            self._clients.discard(each)
            each.close()


def once(what: bytes) -> Callable[[bytes], bool]:
    """Return what is true of the first data that has this, and of no other."""
    seen: list[bytes] = []

    def is_first(data: bytes) -> bool:
        if what not in data or seen:
            return False
        seen.append(data)
        return True

    return is_first


def _never(_data: bytes) -> bool:
    return False
