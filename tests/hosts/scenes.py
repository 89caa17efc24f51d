"""What clients of a server see while it is told to stop."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

import h11

from tests.hosts.clients import Answer, Connection, Socket, Stream
from tests.hosts.servers import Server

STARTED: Final = "a run has started"
CANCELLED: Final = "a turn was cancelled"
"""What the teams of the applications print."""


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Clients whose requests are under way, each with a run."""

    streams: tuple[Stream, ...]
    sockets: tuple[Socket, ...]
    askers: tuple[Connection, ...]

    def stream_endings(self) -> list[str]:
        """Read each stream to its end; return "complete" or what cut it, and its last event."""
        return [f"{stream.rest()}, {stream.events[-1].name}" for stream in self.streams]

    def socket_endings(self) -> list[int]:
        """Read each WebSocket to its end; return the codes of their close frames."""
        return [socket.rest() for socket in self.sockets]

    def answers(self) -> list[Answer | None]:
        """Return the responses of those who await a run; None where none came."""
        return [_answer(asker) for asker in self.askers]


@contextlib.contextmanager
def clients(
    server: Server, team: str, *, streams: int = 0, sockets: int = 0, askers: int = 0
) -> Generator[Clients]:
    """Open so many requests with a run of this team; each run has begun on return."""
    before = server.output.count(STARTED)
    with contextlib.ExitStack() as stack:
        found = Clients(
            streams=tuple(
                stack.enter_context(Stream(server.port, f"/stream/{team}")) for _ in range(streams)
            ),
            sockets=tuple(
                stack.enter_context(Socket(server.port, f"/socket/{team}")) for _ in range(sockets)
            ),
            askers=tuple(stack.enter_context(Connection(server.port)) for _ in range(askers)),
        )
        for asker in found.askers:
            asker.request(f"/answer/{team}")
        server.wait_for(STARTED, before + streams + sockets + askers)
        yield found


def _answer(asker: Connection) -> Answer | None:
    with contextlib.suppress(OSError, h11.RemoteProtocolError):
        return asker.answer()
    return None
