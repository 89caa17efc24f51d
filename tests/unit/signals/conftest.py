"""A wakeup fd of ours, and one that stood there before."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator

import pytest

from supervisor._signals.wakeup import WakeupFd


@pytest.fixture
def wakeup_fd() -> Iterator[WakeupFd]:
    """Give a wakeup fd of ours, and take it down afterwards."""
    wakeup_fd = WakeupFd()
    yield wakeup_fd
    wakeup_fd.forget()


@pytest.fixture
def found() -> Iterator[socket.socket]:
    """Set a wakeup fd, as somebody does before us; give the end that is read."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno())
    yield reader
    signal.set_wakeup_fd(before)
    reader.close()
    writer.close()
