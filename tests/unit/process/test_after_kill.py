"""The last line that is written for a process that is gone."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor._process import after_kill, end_record
from supervisor._process.after_kill import write_last_line, write_unblocked
from supervisor._process.end_record import EndRecord

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

LINES = b"\n".join([repr(time.monotonic()).encode(), b"forced", b"killed"])


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Give a pipe that blocks nobody, and close what is open of it in the end."""
    ends = os.pipe2(os.O_NONBLOCK)
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:  # the test has closed it
            continue


def record_at(stage: int, tracked: bytes = b"", fd: int | None = None) -> EndRecord:
    """Return the record of a process that is gone."""
    record = EndRecord(bytearray(end_record.TRACKED_AT), fd)
    record.put(end_record.LINES, LINES)
    record.put(end_record.TRACKED, tracked)
    record.stage = stage
    return record


def what_is_in(reader: int) -> bytes:
    """Return what a pipe has; nothing where it is empty."""
    try:
        return os.read(reader, 4096)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize(
    ("stage", "is_forced", "written"),
    [
        (end_record.NO_OUTPUT, True, b""),
        (end_record.BETWEEN_LINES, False, b"killed\n"),
        (end_record.IN_LINE, True, b"\nforced\n"),
    ],
)
def test_the_line_says_how_it_ended(
    pipe: tuple[int, int], stage: int, is_forced: bool, written: bytes
) -> None:
    """A line that is cut off is ended first; where no last line is wanted none is written."""
    write_last_line(record_at(stage), pipe[1], is_forced=is_forced)
    assert what_is_in(pipe[0]) == written


def test_a_line_of_which_nobody_knows_is_not_written_twice(pipe: tuple[int, int]) -> None:
    """Where nobody can tell how much of the process's own line was written, none follows."""
    record = record_at(end_record.IN_TRACKED, after_kill.UNKNOWN + b" 0 0 0 0")
    write_last_line(record, pipe[1], is_forced=True)
    assert what_is_in(pipe[0]) == b""


def test_a_file_that_cannot_be_read_gets_no_second_line(tmp_path: Path) -> None:
    """Where the output cannot be opened to look for the process's own line, none follows."""
    memory = os.open(tmp_path / "record", os.O_RDWR | os.O_CREAT)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        record = record_at(end_record.IN_TRACKED, after_kill.APPENDED + b" 0 0 0 0", memory)
        write_last_line(record, ours.fileno(), is_forced=True)
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
    os.close(memory)


def test_another_writer_that_is_quicker_is_waited_for(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room that another writer has taken is waited for once more."""
    write, tries = os.write, list[int]()

    def taken_once(fd: int, data: bytes) -> int:
        tries.append(fd)
        if len(tries) == 1:
            raise BlockingIOError
        return write(fd, data)

    monkeypatch.setattr(os, "write", taken_once)
    assert write_unblocked(pipe[1], b"line\n")
    monkeypatch.undo()
    assert what_is_in(pipe[0]) == b"line\n"


def test_without_a_reader_it_gives_up(pipe: tuple[int, int]) -> None:
    """A pipe that nobody reads takes nothing, and that is no error."""
    os.close(pipe[0])
    assert not write_unblocked(pipe[1], b"line\n")
