"""Real servers with a supervisor in them end as they do without one, and cut no response."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
from typing import Any

import pexpect
import pytest

from supervisor import Rung
from tests.hosts.apps import LADDER
from tests.hosts.clients import Connection, Socket, Stream, get
from tests.hosts.command_lines import OLD_UVICORN, SERVERS, THREADED
from tests.hosts.ports import free_port
from tests.hosts.scenes import CANCELLED, Clients, clients
from tests.hosts.servers import APPS, PATIENCE, ROOT, Ended, Server, start
from tests.hosts.stock import STATUS, Way, is_quick
from tests.process.harness import MARGIN, NEVER_SAID

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

_SERVICE_RESTART = 1012

# One for each way in which a server hears of its end; uvicorn's is in other tests below, and the
# soak has all of them.
_ONE_OF_EACH = [THREADED, "hypercorn", "granian uvloop", "gunicorn asgi"]


def check_endings(seen: Clients, reason: str) -> None:
    """Check that each client has seen the end of its run, and its response's last byte.

    Args:
        seen: The clients.
        reason: A pattern for why it was stopped.
    """
    assert set(seen.stream_endings()) <= {"complete, stopped"}, seen.stream_endings()
    assert set(seen.socket_endings()) <= {_SERVICE_RESTART}
    answers = [answer for answer in seen.answers() if answer is not None and answer.status == 200]
    assert len(answers) == len(seen.askers)
    reasons = [stream.events[-1].json["stop_reason"] for stream in seen.streams]
    reasons += [_last_message(socket)["stop_reason"] for socket in seen.sockets]
    reasons += [answer.json["stop_reason"] for answer in answers]
    assert all(re.fullmatch(reason, found) for found in reasons), reasons


def _last_message(socket: Socket) -> Any:
    return json.loads(socket.messages[-1])


def _reason(name: str) -> str:
    if name in ("hypercorn", "hypercorn uvloop"):  # told by an event
        return "The server shuts down"
    return "The server shuts down" if name == THREADED else r"Stopped by SIG\w+"


def check_end(ended: Ended, name: str, way: Way) -> None:
    """Check that a server has ended as it does without us, in order."""
    assert ended.status == STATUS[name][way], ended.story()
    assert not ended.left, ended.story()
    assert not [line for line in NEVER_SAID if line in ended.output], ended.story()


@pytest.mark.parametrize("name", _ONE_OF_EACH)
def test_streams_end_and_then_the_server(name: str) -> None:
    """On SIGTERM each response gets its end, and then the server ends as without us.

    A client that has left before has stopped its run.
    """
    with start(SERVERS[name], "wrapped") as server:
        with clients(server, "waiting", streams=1):
            pass
        server.wait_for(CANCELLED)
        sockets = 1
        with clients(server, "counting", streams=3, sockets=sockets, askers=1) as seen:
            Way.TERM.tell(server)
            check_endings(seen, _reason(name))
            check_end(server.wait(), name, Way.TERM)


@pytest.mark.soak
def test_a_hundred_streams() -> None:
    """A hundred streams each get their last event."""
    with (
        start(SERVERS["uvicorn uvloop"], "wrapped") as server,
        clients(server, "slow", streams=100) as seen,
    ):
        Way.TERM.tell(server)
        check_endings(seen, "Stopped by SIGTERM")
        ended = server.wait()
        check_end(ended, "uvicorn uvloop", Way.TERM)
        assert ended.seconds < LADDER.budget(Rung.DRAIN) + MARGIN, ended.story()


@pytest.mark.soak
def test_ctrl_c_where_a_parent_passes_it_on() -> None:
    """SIGINT from the terminal and SIGTERM from the parent are one request."""
    name = "uvicorn --reload"
    with (
        start(SERVERS[name], "patient") as server,
        clients(server, "counting", streams=2) as seen,
    ):
        Way.CTRL_C.tell(server)
        assert all(ending == "complete, stopped" for ending in seen.stream_endings())
        check_end(server.wait(), name, Way.CTRL_C)


def test_ctrl_c_in_a_terminal() -> None:
    """Ctrl-C at a real terminal lets the runs of each worker drain."""
    port = free_port()
    command = ["-m", *SERVERS["uvicorn --workers 2"](f"{APPS}:patient", port)]
    terminal: pexpect.spawn[bytes] = pexpect.spawn(
        sys.executable, command, cwd=str(ROOT), timeout=PATIENCE
    )
    try:
        for _ in range(2):
            terminal.expect("Application startup complete")
        with Stream(port, "/stream/counting") as stream:
            assert stream.next() is not None
            terminal.sendintr()
            assert stream.rest() == "complete"
            assert stream.events[-1].name == "stopped"
        terminal.expect(pexpect.EOF)
        assert terminal.wait() == STATUS["uvicorn --workers 2"][Way.CTRL_C]
    finally:
        terminal.close(force=True)


def test_a_stop_that_is_held_and_a_second_signal() -> None:
    """While runs drain, the server listens and answers 503; a second signal cancels them."""
    with (
        start(SERVERS["uvicorn"], "patient") as server,
        Connection(server.port) as keeper,
        clients(server, "talking", streams=1) as seen,
    ):
        assert keeper.get("/ready").status == 200
        Way.TERM.tell(server)
        for _ in range(12):  # more than the second within which signals are one request
            seen.streams[0].next()
        for answer in (keeper.get("/ready"), get(server.port, "/ready")):
            assert answer.status == 503
        for path in ("/answer/short", "/stream/short"):
            refused = get(server.port, path)
            assert (refused.status, "retry-after" in refused.headers) == (503, True), refused
        assert get(server.port, "/plain").status == 200
        Way.TERM.tell(server)
        check_endings(seen, "Stopped by SIGTERM")
        check_end(server.wait(), "uvicorn", Way.TERM)


@pytest.mark.soak
def test_a_run_that_refuses_to_stop() -> None:
    """A run that refuses is given up at the deadline, and keeps neither server nor loop."""
    name = "hypercorn --workers 0"
    with (
        start(SERVERS[name], "wrapped") as server,
        clients(server, "stubborn", streams=1) as seen,
    ):
        Way.INT.tell(server)
        assert seen.stream_endings() == ["complete, stopped"]
        assert seen.streams[0].events[-1].json["status"] == "abandoned"
        ended = server.wait()
        assert ended.status == STATUS[name][Way.INT], ended.story()
        assert ended.seconds < LADDER.budget(Rung.CANCEL) + MARGIN, ended.story()


def test_signals_again_and_again() -> None:
    """However often a signal comes, a run that refuses has its deadline, and the server its end."""
    with (
        start(SERVERS["uvicorn"], "wrapped") as server,
        clients(server, "stubborn", streams=1) as seen,
    ):
        server.insist(signal.SIGTERM)
        assert seen.stream_endings() == ["complete, stopped"]
        ended = server.wait()
        assert ended.status == STATUS["uvicorn"][Way.TERM], ended.story()
        assert ended.seconds < LADDER.budget(Rung.DRAIN) + MARGIN, ended.story()


@pytest.mark.parametrize("app", [pytest.param("around", marks=pytest.mark.soak), "inside"])
def test_with_a_function_middleware(app: str) -> None:
    """With Starlette's `BaseHTTPMiddleware` outside or inside, streams get their end."""
    with (
        start(SERVERS["uvicorn"], app) as server,
        clients(server, "counting", streams=2, sockets=1, askers=1) as seen,
    ):
        Way.TERM.tell(server)
        check_endings(seen, "Stopped by SIGTERM")
        check_end(server.wait(), "uvicorn", Way.TERM)


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


# -- the grid ------------------------------------------------------------------------------------

_GRID = [(name, way) for name, ways in STATUS.items() for way in ways]


@pytest.mark.soak
@pytest.mark.parametrize(("name", "way"), _GRID)
def test_how_servers_end_without_us(name: str, way: Way, old_uvicorn: dict[str, str]) -> None:
    """The table of the servers' own statuses is true, idle and with a finished stream."""
    for has_stream in (False, True):
        with _server(name, "stock", old_uvicorn) as server, contextlib.ExitStack() as stack:
            if has_stream:
                stack.enter_context(Connection(server.port)).get("/stream/short")
            way.tell(server)
            assert server.wait().status == STATUS[name][way]


@pytest.mark.soak
@pytest.mark.parametrize("app", ["wrapped", "around"])
@pytest.mark.parametrize(("name", "way"), _GRID)
def test_the_grid(name: str, way: Way, app: str, old_uvicorn: dict[str, str]) -> None:
    """However it is told, a server ends each response, and then itself as without us.

    Where it is told to end at once, as by gunicorn's SIGQUIT, it does.
    """
    with (
        _server(name, app, old_uvicorn) as server,
        clients(server, "slow", streams=100, sockets=5, askers=5) as seen,
    ):
        way.tell(server)
        if not is_quick(name, way):
            check_endings(seen, _reason(name))
        check_end(server.wait(), name, way)


def _server(
    name: str, app: str, old_uvicorn: dict[str, str]
) -> contextlib.AbstractContextManager[Server]:
    return start(SERVERS[name], app, variables=old_uvicorn if name == OLD_UVICORN else {})
