"""A stop by a signal under `run` leaves no process behind, however it was started."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Generator, Iterable
from typing import Any

import psutil
import pytest

from supervisor import Rung
from tests.process.harness import MARGIN, Child, Server, alive
from tests.process.scenarios import LADDER

pytestmark = [pytest.mark.process]

on_each_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])

_FORCED = 137
_WAYS = ("by_shell", "refuses", "in_thread", "own_session", "orphan", "pool", "starts_on")


@on_each_loop
@pytest.mark.parametrize("tool", _WAYS)
def test_a_stop_in_order_leaves_no_process(server: Server, loop: str, tool: str) -> None:
    """A stop at CANCEL ends a process that a tool has started, and the status is true."""
    with _leaver(server, loop=loop, tool=tool) as (child, pids):
        began = child.signal(signal.SIGINT)
        assert child.wait() == -signal.SIGINT, child.story()
        assert time.monotonic() - began < LADDER.budget(Rung.CANCEL) + MARGIN
        assert _left(child, pids) == [], child.story()
        _check_silence(child)


@pytest.mark.parametrize("tool", _WAYS)
def test_a_forced_end_leaves_no_process(server: Server, tool: str) -> None:
    """A forced end leaves no process, not even one that a thread starts in the last moment."""
    if tool == "in_thread":
        pytest.skip("as a tool of a stubborn agent it would be awaited")
    with _leaver(server, loop="asyncio", tool=tool, is_stubborn=True) as (child, pids):
        child.signal(signal.SIGINT)
        assert child.wait() == _FORCED, child.story()
        assert _left(child, pids) == [], child.story()


@pytest.mark.parametrize("tool", ["by_shell", "refuses", "pool", "starts_again"])
@pytest.mark.parametrize("raises", [False, True], ids=["stop_status", "raises"])
def test_an_end_with_another_status_leaves_none_either(
    server: Server, tool: str, raises: bool
) -> None:
    """With `stop_status`, or if `main` raises, none is left after the interpreter's end."""
    settings = {} if raises else {"stop_status": 7}
    with _leaver(server, loop="asyncio", tool=tool, settings=settings, raises=raises) as it:
        child, pids = it
        child.signal(signal.SIGINT)
        assert child.wait() == (1 if raises else 7), child.story()
        assert _left(child, pids) == [], child.story()


def test_one_more_ctrl_c_kills_those_that_are_waited_for(server: Server) -> None:
    """One more Ctrl-C kills them, even when our handlers are gone at the interpreter's end."""
    arguments = {"tool": "refuses", "is_endless": True, "settings": {"stop_status": 7}}
    with _leaver(server, loop="asyncio", **arguments) as (child, pids):
        child.signal(signal.SIGINT)
        child.until("atexit")
        assert not child.has_ended(within=0.2)
        child.signal(signal.SIGINT)
        assert child.wait() == 7, child.story()
        assert _left(child, pids) == [], child.story()
        _check_silence(child)


@pytest.mark.parametrize("settings", [{}, {"stop_status": 0}], ids=["signal", "stop_status"])
def test_a_ladder_without_an_end_leaves_none_either(
    server: Server, settings: dict[str, Any]
) -> None:
    """With a ladder without an end they get one second."""
    arguments = {"tool": "refuses", "is_endless": True, "settings": settings}
    with _leaver(server, loop="asyncio", **arguments) as (child, pids):
        began = child.signal(signal.SIGINT)
        assert child.wait() == (-signal.SIGINT if not settings else 0), child.story()
        assert 1 <= time.monotonic() - began < 1 + MARGIN
        assert _left(child, pids) == [], child.story()


@pytest.mark.parametrize("is_endless", [False, True], ids=["finite", "endless"])
@pytest.mark.parametrize("settings", [{}, {"stop_status": 7}], ids=["signal", "stop_status"])
def test_a_thread_that_waits_for_one_does_not_keep_the_interpreter(
    server: Server, settings: dict[str, Any], is_endless: bool
) -> None:
    """A process that a thread waits for is ended at ABANDON; the interpreter ends in order."""
    arguments = {"tool": "outer_thread", "is_endless": is_endless, "settings": settings}
    with _leaver(server, loop="asyncio", **arguments) as (child, pids):
        child.signal(signal.SIGINT)
        assert child.wait() == settings.get("stop_status", -signal.SIGINT), child.story()
        assert child.facts("atexit"), child.story()
        assert _left(child, pids) == [], child.story()


@pytest.mark.parametrize("settings", [{}, {"stop_status": 0}], ids=["signal", "stop_status"])
def test_they_are_there_until_the_interpreter_has_ended_its_own(
    server: Server, settings: dict[str, Any]
) -> None:
    """Processes live until `atexit` handlers have ended those that they know of."""
    with _leaver(server, loop="asyncio", tool="own_session", settings=settings) as (child, pids):
        child.signal(signal.SIGINT)
        child.wait()
        (found,) = child.facts("atexit")
        assert set(pids) <= set(found["pids"]), child.story()
        assert _left(child, pids) == [], child.story()


@on_each_loop
def test_what_obeys_costs_no_time(server: Server, loop: str) -> None:
    """A process that obeys SIGTERM costs far less time than one that refuses."""
    with _leaver(server, loop=loop, tool="own_session") as (child, _):
        began = child.signal(signal.SIGINT)
        assert child.wait() == -signal.SIGINT, child.story()
        assert time.monotonic() - began < LADDER.budget(Rung.CANCEL) / 2, child.story()


def test_who_had_to_be_killed_is_named(server: Server) -> None:
    """A process that had to be killed is named on stderr, by pid and command."""
    with _leaver(server, loop="asyncio", tool="refuses") as (child, pids):
        child.signal(signal.SIGINT)
        child.wait()
        assert "killed child processes" in child.stderr, child.story()
        assert all(str(pid) in child.stderr for pid in pids), child.story()


def test_a_daemon_is_left_and_named(server: Server) -> None:
    """A process that has made itself a daemon stays, and one line of the log names it."""
    with _leaver(server, loop="asyncio", tool="daemon") as (child, pids):
        child.signal(signal.SIGINT)
        assert child.wait() == -signal.SIGINT, child.story()
        assert _left(child, pids) == pids, child.story()
        (line,) = child.facts("daemons")
        assert [int(name.split()[0]) for name in line["names"]] == pids, child.story()


@on_each_loop
def test_a_daemon_is_ended_where_that_is_asked_for(server: Server, loop: str) -> None:
    """With `children="end"` daemons are ended, too."""
    settings = {"children": "end"}
    with _leaver(server, loop=loop, tool="daemon", settings=settings) as (child, pids):
        child.signal(signal.SIGINT)
        assert child.wait() == -signal.SIGINT, child.story()
        assert _left(child, pids) == [], child.story()


def test_they_are_left_where_that_is_asked_for(server: Server) -> None:
    """With `children="leave"` a server stays."""
    settings = {"children": "leave"}
    with _leaver(server, loop="asyncio", tool="own_session", settings=settings) as (child, pids):
        child.signal(signal.SIGINT)
        assert child.wait() == -signal.SIGINT, child.story()
        assert _left(child, pids) == pids, child.story()


@pytest.mark.parametrize("tool", ["refuses", "starts_on", "starts_again"])
def test_without_a_guard_none_is_left_either(server: Server, tool: str) -> None:
    """Without a guard the process makes the final sweep by itself, and none is left."""
    settings = {"guard": False}
    with _leaver(server, loop="asyncio", tool=tool, settings=settings) as (child, pids):
        child.signal(signal.SIGINT)
        assert child.wait() == -signal.SIGINT, child.story()
        assert _left(child, pids) == [], child.story()


def test_what_a_host_starts_behind_run_is_left_alone(server: Server) -> None:
    """What a host starts after `run` is left alone; what the run started is ended at the end."""
    with server.start("goes_on", loop="asyncio") as child:
        pids = child.until("children")["pids"]
        child.signal(signal.SIGINT)
        more = child.until("more")["pids"]
        with _killed(more):
            assert child.wait() == 0, child.story()
            assert alive([*pids, *more]) == more, child.story()
            assert child.facts("behind") == [{"fact": "behind"}], child.story()
            assert len(child.facts("atexit")) == 1, child.story()


@on_each_loop
def test_a_block_can_end_them_too(server: Server, loop: str) -> None:
    """A block can end them when it is left, and the program goes on."""
    with server.start("block_ends", loop=loop) as child:
        pids = child.until("children")["pids"]
        with _killed(pids):
            child.signal(signal.SIGINT)
            child.until("behind")
            assert alive(pids) == [], child.story()
            assert not child.has_ended(within=0.05)


_HOLDS_THE_PIPES = """
sleep 300 &
echo $$ $! end > ready.part; mv ready.part ready
wait
"""


@on_each_loop
@pytest.mark.parametrize("as_guest", [False, True], ids=["run", "guest"])
def test_what_outlives_the_time_limit_of_autogens_executor(
    server: Server, loop: str, as_guest: bool
) -> None:
    """Processes whose shell the executor's time limit has ended are found all the same."""
    arguments: dict[str, Any] = {"script": _HOLDS_THE_PIPES, "limit": 1, "as_guest": as_guest}
    with server.start("executes", loop=loop, **arguments) as child:
        shell, left = child.until("children")["pids"]
        with _killed([left]):
            _until_ended(shell)
            assert alive([left]) == [left], child.story()
            child.signal(signal.SIGINT)
            if as_guest:
                child.until("settled")
            else:
                child.wait()
            assert alive([left]) == [], child.story()


def _until_ended(pid: int) -> None:
    deadline = time.monotonic() + 10
    while alive([pid]):
        assert time.monotonic() < deadline, f"{pid} does not end"
        time.sleep(0.02)


@contextlib.contextmanager
def _leaver(server: Server, **arguments: Any) -> Generator[tuple[Child, list[int]]]:
    with server.start("leaves", **arguments) as child:
        pids = [int(pid) for pid in child.until("children")["pids"]]
        with _killed(pids):
            yield child, pids


@contextlib.contextmanager
def _killed(pids: list[int]) -> Generator[None]:
    try:
        yield
    finally:
        for pid in alive(pids):
            os.kill(pid, signal.SIGKILL)


def _left(child: Child, pids: Iterable[int]) -> list[int]:
    """Return which of these, and of its session, are alive, and kill them."""
    more = [pid for pid in psutil.pids() if pid not in pids and _session(pid) == child.pid]
    left = alive([*pids, *more])
    for pid in left:
        if pid in more:
            os.kill(pid, signal.SIGKILL)
    return left


def _check_silence(child: Child) -> None:
    assert "Traceback" not in child.stderr, child.story()
    assert "that handles pid" not in child.stderr, child.story()


def _session(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return None
