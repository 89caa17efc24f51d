"""Waiting for processes to end, where the kernel offers less."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time

import pytest

from supervisor._process import process_table, waiting
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


def test_one_of_which_nothing_is_known_counts_as_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many open files nobody can tell whether a process has ended."""
    row = process_table.row_of(os.getpid())
    assert row is not None

    def refuse(row: process_table.Row) -> bool:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(process_table, "is_there", refuse)
    assert waiting.is_alive(row)


def test_what_was_opened_is_closed_where_files_run_out(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the second pidfd cannot be had, the first is closed, and the ends are polled for."""
    children = [start(OBEYS), start(OBEYS)]
    rows = [row for child in children if (row := process_table.row_of(child.pid)) is not None]
    opened, real = list[int](), process_table.open_pidfd

    def once(row: process_table.Row) -> int | None:
        if not opened:
            opened.append(real(row) or -1)
            return opened[0]
        for child in children:
            child.terminate()
            child.wait()
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(process_table, "open_pidfd", once)
    waiting.until_ended(rows, time.monotonic() + 10)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])
