"""Real servers with a supervisor in them end as they do without one, and cut no response."""

from __future__ import annotations

import contextlib
import signal

import pytest

from tests.hosts.clients import Connection, Stream
from tests.hosts.command_lines import SERVERS, UVICORN_044
from tests.hosts.scenes import clients
from tests.hosts.servers import start
from tests.hosts.stock import STATUS, Way

pytestmark = [pytest.mark.process, pytest.mark.blocks, pytest.mark.timeout(120)]


def test_a_cut_stream_is_seen() -> None:
    """A client of these tests tells a response that was cut from a complete one."""
    with start(SERVERS["uvicorn"], "stock") as server:
        with Stream(server.port, "/stream/short") as stream:
            assert stream.rest() == "complete"
        with clients(server, "counting", streams=1, sockets=1, askers=1) as seen:
            server.signal(signal.SIGKILL)
            assert seen.stream_endings()[0].startswith("cut")
            assert seen.socket_endings() == [1006]
            assert seen.answers() == [None]
        assert server.wait().status == -signal.SIGKILL


@pytest.mark.soak
@pytest.mark.parametrize(
    ("name", "way"), [(name, way) for name, ways in STATUS.items() for way in ways]
)
def test_how_servers_end_without_us(name: str, way: Way, old_uvicorn: dict[str, str]) -> None:
    """The table of the servers' own statuses is true, idle and with a finished stream."""
    variables = old_uvicorn if name == UVICORN_044 else {}
    for has_stream in (False, True):
        with (
            start(SERVERS[name], "stock", variables=variables) as server,
            contextlib.ExitStack() as stack,
        ):
            if has_stream:
                stack.enter_context(Connection(server.port)).get("/stream/short")
            way.tell(server)
            assert server.wait().status == STATUS[name][way]
