"""The guard's handle: how a guard is started and ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from supervisor import Supervisor
from supervisor._signals.guard import Guard
from supervisor._signals.guard_state import IDLE
from tests.unit.signals.guards import guards_of


def _open_fds() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def test_a_guard_that_cannot_be_started_leaves_no_fd(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that is not there is an `OSError`, and no fd stays open."""
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    before = _open_fds()
    with pytest.raises(FileNotFoundError):
        Guard(0)
    assert _open_fds() == before


async def test_a_block_has_a_guard_while_it_is_open() -> None:
    """Nested blocks share one guard, which is no child of ours and is gone after the block."""
    async with Supervisor(guard=True):
        async with Supervisor(guard=True):
            (found,) = guards_of(os.getpid())
            assert found not in psutil.Process().children(recursive=True)
        assert found.is_running()
    await asyncio.to_thread(found.wait, 5)
    assert not guards_of(os.getpid())


async def test_a_plain_block_has_no_guard() -> None:
    """A block without `guard=True` starts no process."""
    async with Supervisor():
        assert not guards_of(os.getpid())


async def test_a_block_in_another_thread_has_no_guard() -> None:
    """In another thread, where it could end no process, a supervisor starts no guard."""

    async def guest() -> list[psutil.Process]:
        async with Supervisor(guard=True):
            return guards_of(os.getpid())
        return []

    assert await asyncio.to_thread(lambda: asyncio.run(guest())) == []


def test_a_guard_that_was_killed_reports_nothing_more() -> None:
    """Somebody may kill the guard: then it has nothing to say, and nothing else changes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        guard = Guard(ours.fileno())
        (found,) = guards_of(os.getpid())
        found.kill()
        found.wait(5)
        assert guard.arrival_reports() == []
        guard.update(IDLE)
        guard.stop()


def test_where_nobody_waits_for_children_a_guard_is_started_too() -> None:
    """With SIGCHLD ignored the kernel waits for the process in between, and a guard is there."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    ours, theirs = socket.socketpair()
    try:
        with ours, theirs:
            guard = Guard(ours.fileno())
            (found,) = guards_of(os.getpid())
            guard.stop()
            found.wait(5)
    finally:
        signal.signal(signal.SIGCHLD, before)
