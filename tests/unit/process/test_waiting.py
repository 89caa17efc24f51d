"""Waiting for processes to end, where the kernel offers less."""

from __future__ import annotations

import errno
import os
import signal
import sys

import pytest

from supervisor._process.children import ChildProcesses
from tests.unit.process.shells import OBEYS, REFUSES, SECONDS, Start

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and groups of POSIX"),
]


def test_it_works_without_pidfds(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pidfds, as on an old kernel, the ends of processes are polled for."""

    def refuse(pid: int, flags: int = 0) -> int:
        raise OSError(errno.ENOSYS, "no pidfds")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    children = ChildProcesses()
    started = [start(OBEYS), start(REFUSES)]
    assert [found.pid for found in children.end(SECONDS)] == [started[1].pid]
    assert [child.wait() for child in started] == [-signal.SIGTERM, -signal.SIGKILL]
