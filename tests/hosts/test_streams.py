"""Streams from real servers: their last event, beside what web frameworks bring for streams."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

from tests.hosts.clients import Socket, Stream
from tests.hosts.command_lines import SERVERS, CommandLine
from tests.hosts.servers import Server, starting

GRACE: Final = 3.5
"""Seconds of the server's ladder: half a second for a turn to finish."""

OTHERS: Final = ("hypercorn", "granian", "gunicorn asgi")

BAD: Final = ("Traceback", "never retrieved", "never awaited", "ERROR", "Exception")

pytestmark = [pytest.mark.process, pytest.mark.blocks]


@contextmanager
def _serving(line: CommandLine, **variables: str) -> Generator[Server]:
    given = {"SUPERVISOR_GRACE": f"{GRACE}", **variables}
    app = "tests.hosts.streaming_apps:app"
    with starting(lambda _, port: line(app, port), "", variables=given) as server:
        server.wait_ready()
        yield server


@pytest.mark.parametrize(
    ("when", "name"),
    [
        ("late", "uvicorn"),
        pytest.param("early", "uvicorn", marks=pytest.mark.soak),
        pytest.param("never", "uvicorn", marks=pytest.mark.soak),
        *(pytest.param("early", name, marks=pytest.mark.soak) for name in OTHERS),
    ],
)
def test_each_way_to_stream_has_its_last_event(when: str, name: str) -> None:
    """On SIGTERM ours, FastAPI's and sse-starlette's responses end with `stopped`, complete."""
    heard = None if name == "hypercorn" else "SIGTERM"  # its workers are told by an event
    with _serving(SERVERS[name], IMPORTS_SSE_STARLETTE=when) as server, ExitStack() as stack:
        paths = ["/ours", "/fastapi", *(["/sse-starlette"] if when != "never" else [])]
        streams = [stack.enter_context(Stream(server.port, path)) for path in paths]
        counting = stack.enter_context(Socket(server.port, "/count"))
        for stream in streams:
            assert stream.next() is not None
        counting.next()
        server.signal(signal.SIGTERM)
        for stream in streams:
            assert stream.rest() == "complete", server.output
            last = stream.events[-1]
            assert (last.name, last.json["signal"]) == ("stopped", heard)
        assert counting.rest() == 1012
        assert json.loads(counting.messages[-1])["status"] == "stopped"
        ended = server.wait()
        assert ended.left == (), ended.story()
        assert not [bad for bad in BAD if bad in ended.output], ended.story()


@pytest.mark.soak
@pytest.mark.parametrize(
    ("how", "name"),
    [(how, name) for name in ("uvicorn", *OTHERS) for how in ("close", "cut")],
)
def test_a_client_that_leaves_while_it_is_asked_is_a_quiet_end(how: str, name: str) -> None:
    """Whether it closes in order or is gone, its run ends, and nothing is logged."""
    with _serving(SERVERS[name]) as server:
        with Socket(server.port, "/ask") as answering:
            while json.loads(answering.next()).get("kind") != "UserInputRequestedEvent":
                pass
            answering.send("blue")
            assert json.loads(answering.next())["content"] == "blue"
            assert answering.rest() == 1000
        leaving = Socket(server.port, "/ask")
        while json.loads(leaving.next()).get("kind") != "UserInputRequestedEvent":
            pass
        if how == "cut":
            leaving.connection.socket.shutdown(socket.SHUT_RDWR)
        leaving.close()
        server.wait_for("the answer is over: The client has")
        server.signal(signal.SIGINT)
        ended = server.wait()
        assert not [bad for bad in BAD if bad in ended.output], ended.story()
