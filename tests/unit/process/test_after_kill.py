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
from supervisor._process.after_kill import HeldFiles, write_last_line, write_unblocked
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


@pytest.fixture
def memory() -> Iterator[int]:
    """Give the file of an end record."""
    fd = os.memfd_create("record")
    yield fd
    os.close(fd)


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


@pytest.mark.parametrize(
    ("written", "was_cut", "output"),
    [
        (0, 0, b"forced\n"),
        (0, 1, b"\nforced\n"),
        (3, 0, b"\nforced\n"),
        (8, 0, b""),
    ],
)
def test_the_kernel_tells_how_much_of_its_own_line_was_written(
    pipe: tuple[int, int], memory: int, written: int, was_cut: int, output: bytes
) -> None:
    """A last line of its own that is not whole is ended, and followed by another one."""
    os.lseek(memory, 100 + written, os.SEEK_SET)
    tracked = after_kill.SENT + b" 100 108 0 %d" % was_cut
    write_last_line(record_at(end_record.IN_TRACKED, tracked, memory), pipe[1], is_forced=True)
    assert what_is_in(pipe[0]) == output


@pytest.mark.parametrize(
    ("found", "output"), [(b"finished\n", b""), (b"fin", b"\nforced\n"), (b"", b"forced\n")]
)
def test_a_file_that_is_appended_to_shows_what_was_written(
    tmp_path: Path, memory: int, found: bytes, output: bytes
) -> None:
    """Where the kernel counts nothing, its own line is looked for behind what was there before."""
    before = b"finished\n"  # by an earlier process, with the same words
    path = tmp_path / "output"
    path.write_bytes(before + found)
    os.pwrite(memory, b"finished\n", 100)
    with path.open("ab", buffering=0) as file:
        tracked = after_kill.APPENDED + b" 100 109 %d 0" % len(before)
        record = record_at(end_record.IN_TRACKED, tracked, memory)
        write_last_line(record, file.fileno(), is_forced=True)
    assert path.read_bytes() == before + found + output


def test_a_pipe_that_stays_full_is_given_up(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that makes no room holds up nobody for long."""
    monkeypatch.setattr(after_kill, "_READER_SECONDS", 0.0)
    while write_unblocked(pipe[1], b"x" * 4096):
        pass
    write_last_line(record_at(end_record.BETWEEN_LINES), pipe[1], is_forced=True)
    left = b""
    while data := what_is_in(pipe[0]):
        left += data
    assert left.strip(b"x") == b""


def test_the_guard_holds_the_files_that_came_last(pipe: tuple[int, int], memory: int) -> None:
    """Files that came before are closed, and the output is let go of with the last line."""
    os.pwrite(memory, bytes(record_at(end_record.BETWEEN_LINES)._memory), 0)
    held = HeldFiles()
    held.write_last_line(is_forced=True)  # of nothing
    held.give_terminal_back(is_gone=True)
    record, output = os.dup(memory), os.dup(pipe[1])
    held.replace((os.dup(memory),))
    held.write_last_line(is_forced=True)  # it has no output
    held.replace((record, output))
    held.write_last_line(is_forced=True)
    assert what_is_in(pipe[0]) == b"forced\n"
    assert held.are_there
    held.replace(())
    for fd in (record, output):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_a_line_of_which_nobody_knows_is_not_written_twice(pipe: tuple[int, int]) -> None:
    """Where nobody can tell how much of the process's own line was written, none follows."""
    record = record_at(end_record.IN_TRACKED, after_kill.UNKNOWN + b" 0 0 0 0")
    write_last_line(record, pipe[1], is_forced=True)
    assert what_is_in(pipe[0]) == b""


def test_a_file_that_cannot_be_read_gets_no_second_line(memory: int) -> None:
    """Where the output cannot be opened to look for the process's own line, none follows."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        record = record_at(end_record.IN_TRACKED, after_kill.APPENDED + b" 0 0 0 0", memory)
        write_last_line(record, ours.fileno(), is_forced=True)
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


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
