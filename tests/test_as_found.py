"""The check around every test sees what it is there to see."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.as_found import Snapshot


def test_nothing_changed() -> None:
    """A test that changes nothing is left in peace."""
    assert Snapshot.take().changes() == []


def test_a_handler_left_behind_is_named() -> None:
    """A signal's handler that was not put back is reported, with both handlers."""
    found = Snapshot.take()
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        changes = found.changes()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert any("SIGUSR1" in change and "SIG_IGN" in change for change in changes)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the kernel's masks")
def test_a_handler_that_only_the_kernel_knows_is_named() -> None:
    """A handler set behind Python's back, as uvloop sets them, is reported too."""
    found = Snapshot.take()
    kernel = ctypes.CDLL(None)
    kernel.signal(int(signal.SIGUSR2), int(signal.SIG_IGN))
    try:
        changes = found.changes()
    finally:
        kernel.signal(int(signal.SIGUSR2), int(signal.SIG_DFL))
    assert any("kernel's SigIgn" in change for change in changes)


def test_a_hook_and_a_switch_interval_left_behind_are_named() -> None:
    """What the interpreter has one of is reported as well."""
    found, hook, seconds = Snapshot.take(whole=True), sys.excepthook, sys.getswitchinterval()
    try:
        sys.excepthook = sys.__excepthook__ if hook is not sys.__excepthook__ else print
        sys.setswitchinterval(seconds / 2)
        changes = found.changes()
    finally:
        sys.excepthook = hook
        sys.setswitchinterval(seconds)
    assert [change.partition(":")[0] for change in changes] == ["switch interval", "hooks"]


def test_a_file_left_open_is_named_where_asked_for() -> None:
    """By its number, and by what it is."""
    found = Snapshot.take(whole=True)
    assert found.changes() == []
    with open(os.devnull, "rb") as left:  # noqa: PTH123
        (change,) = found.changes()
        assert f"{left.fileno()} {os.devnull}" in change
        assert Snapshot.take().changes() == []


def test_a_wakeup_fd_left_behind_is_named() -> None:
    """A wakeup fd that was not put back is reported."""
    found = Snapshot.take()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        before = signal.set_wakeup_fd(ours.fileno())
        try:
            changes = found.changes()
        finally:
            signal.set_wakeup_fd(before)
    assert any("wakeup fd" in change for change in changes)


def test_a_thread_left_behind_is_named() -> None:
    """A thread that is still there after the grace is reported by its name."""
    found = Snapshot.take()
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="left-behind", daemon=True)
    thread.start()
    try:
        changes = found.changes(grace=0.05)
    finally:
        release.set()
        thread.join()
    assert any("left-behind" in change for change in changes)


def test_the_reporter_may_stay() -> None:
    """A thread that the library keeps for its reports is not a leak."""
    found = Snapshot.take()
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="supervisor-log", daemon=True)
    thread.start()
    try:
        assert found.changes() == []
    finally:
        release.set()
        thread.join()


@pytest.mark.process
def test_a_child_left_behind_is_named() -> None:
    """A child process that was not waited for is reported, dead or alive."""
    found = Snapshot.take()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        changes = found.changes()
    assert any(f"pid={child.pid}" in change for change in changes)


async def test_both_loops_are_used(request: pytest.FixtureRequest) -> None:
    """An `async def` test runs on the loop that its name tells; asyncio's is in debug mode."""
    loop = asyncio.get_running_loop()
    expected = "uvloop" if "uvloop" in request.node.name else "asyncio"
    assert type(loop).__module__.startswith(expected)
    assert loop.get_debug() == (expected == "asyncio")
