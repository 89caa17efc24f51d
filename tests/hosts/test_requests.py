"""The runs of requests in a real server: each belongs to its request, and disturbs none."""

from __future__ import annotations

import http.client
import signal
import socket
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from tests.hosts.clients import Connection, get
from tests.hosts.clients import Socket as WebSocketClient
from tests.hosts.servers import PATIENCE, Server, start
from tests.process.harness import NEVER_SAID

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

DENIED = "ERROR:    ASGI callable returned without completing handshake."  # uvicorn's, of a 403
LEFT = "The client has disconnected"
_MIB = 1024 * 1024


def _command(_app: str, port: int) -> list[str]:
    return ["uvicorn", "tests.hosts.request_apps:app", "--port", str(port)]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run one server for all tests; at its end it stops in order, and has told of no error."""
    with start(_command, "") as running:
        yield running
        running.signal(signal.SIGTERM)
        ended = running.wait()
        assert not [line for line in NEVER_SAID if line in ended.output], ended.story()
        assert "ERROR" not in ended.output.replace(DENIED, ""), ended.story()


def test_a_client_that_leaves_stops_its_run(server: Server) -> None:
    """A disconnect is noticed although the handler never reads."""
    with Connection(server.port) as connection:
        connection.request("/wait")
        server.wait_for("waiting")
    server.wait_for(f"wait: {LEFT}")


def test_a_connection_is_used_again_after_a_run(server: Server) -> None:
    """What is read ahead of one request takes nothing from the next on the same connection."""
    with Connection(server.port) as connection:
        assert [connection.get("/count").json for _ in range(5)] == [3] * 5
        assert connection.get("/plain").json == "plain"


def test_an_upload_beside_a_run_comes_whole(server: Server) -> None:
    """A large upload is read part by part while a run is at work."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    client.request("POST", "/upload", body=b"x" * (16 * _MIB))
    assert client.getresponse().read() == str(16 * _MIB).encode()
    client.close()


def test_a_user_who_leaves_is_a_quiet_end(server: Server) -> None:
    """A WebSocket's client that leaves while it is asked stops the run."""
    client = WebSocketClient(server.port, "/ask")
    while "UserInputRequested" not in str(client.next()):
        pass
    client.connection.socket.shutdown(socket.SHUT_RDWR)
    server.wait_for(f"ask: {LEFT}")


def test_a_handshake_may_be_denied(server: Server) -> None:
    """The client gets the whole response that a handler gives in place of a WebSocket."""
    with pytest.raises(InvalidStatus) as refused:
        WebSocketClient(server.port, "/deny")
    assert (refused.value.response.status_code, refused.value.response.body) == (403, b"Denied 3")


def test_a_job_goes_on_behind_its_response(server: Server) -> None:
    """A run that outlives a complete response belongs to no request."""
    assert get(server.port, "/job").status == 202
    assert get(server.port, "/end").status == 200
    server.wait_for("job: finished")
