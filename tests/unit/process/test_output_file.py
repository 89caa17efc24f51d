"""The file of the machine output: what is written of a last line, and what stays unwritten."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor._process import after_kill, end_record
from supervisor._process.end_record import EndRecord
from supervisor._process.output_file import OutputFile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs sendfile and /proc")


@pytest.fixture
def record(tmp_path: Path) -> Iterator[EndRecord]:
    """Give a record in a file, with last lines in it."""
    fd = os.open(tmp_path / "record", os.O_RDWR | os.O_CREAT)
    yield _with_lines(EndRecord(bytearray(end_record.TRACKED_AT), fd))
    os.close(fd)


def _with_lines(record: EndRecord) -> EndRecord:
    lines = b"\n".join([repr(time.monotonic()).encode(), b"forced", b"killed"])
    record.put(end_record.LINES, lines)
    return record


class Pipe:
    """A pipe, and the machine output that goes into it."""

    def __init__(self, record: EndRecord) -> None:
        self.reader, self.writer = os.pipe()
        self.output = OutputFile(record, self.writer)

    def fill(self) -> int:
        """Fill it; return how many bytes that took."""
        count = 0
        try:
            while True:
                count += os.write(self.output.fd, b"x" * 4096)
        except BlockingIOError:
            return count

    def close(self) -> None:
        """Close all of it."""
        for fd in (self.writer, self.output.fd):
            os.close(fd)
        if self.reader >= 0:
            os.close(self.reader)

    def lose_reader(self) -> None:
        """Close the end that is read."""
        os.close(self.reader)
        self.reader = -1

    def text(self) -> bytes:
        """Return what is in it."""
        os.set_blocking(self.reader, False)
        try:
            return os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return b""


@pytest.fixture
def pipe(record: EndRecord) -> Iterator[Pipe]:
    """Give a pipe."""
    made = Pipe(record)
    yield made
    made.close()


def test_the_forced_line_is_written_once(pipe: Pipe) -> None:
    """A second forced end, or a last line after it, writes nothing."""
    pipe.output.force()
    pipe.output.force()
    pipe.output.write_last(b"in order\n")
    pipe.output.write(b"more\n")
    assert pipe.text() == b"forced\n"
    assert pipe.output.is_complete


def test_once_a_forced_end_has_begun_no_other_last_line_is_written(pipe: Pipe) -> None:
    """The last line of an end in order gives way to that of the forced end."""
    pipe.output.begin_force()
    pipe.output.write_last(b"in order\n")
    assert pipe.text() == b""
    pipe.output.force()
    assert pipe.text() == b"forced\n"


def test_after_the_end_without_a_line_none_is_written(pipe: Pipe, record: EndRecord) -> None:
    """Where no last line is wanted none follows, and a second such end changes nothing."""
    pipe.output.end_without()
    pipe.output.end_without()
    pipe.output.force()
    assert pipe.text() == b""
    assert record.stage == end_record.NO_OUTPUT


def test_a_full_pipe_does_not_delay_a_forced_end(pipe: Pipe, record: EndRecord) -> None:
    """Without room the line is left to the guard."""
    pipe.fill()
    pipe.output.force()
    assert not pipe.output.is_complete
    assert record.stage == end_record.IN_TRACKED


def test_without_a_reader_a_forced_end_goes_on(pipe: Pipe) -> None:
    """A pipe that nobody reads is no error at a forced end."""
    pipe.lose_reader()
    pipe.output.force()
    assert not pipe.output.is_complete


def test_a_lock_that_is_held_for_good_does_not_delay_a_forced_end(pipe: Pipe) -> None:
    """A thread that was stopped in a write leaves the line to the guard."""
    with pipe.output._lock:
        pipe.output.force()
    assert pipe.text() == b""


def test_a_forced_end_during_a_last_line_that_waits_for_room(pipe: Pipe) -> None:
    """A last line that waits for a reader ends as soon as a forced end has begun."""
    size = pipe.fill()
    waits = threading.Thread(target=pipe.output.write_last, args=(b"in order\n",))
    waits.start()
    pipe.output.begin_force()
    assert len(os.read(pipe.reader, size)) == size
    waits.join(10)
    assert not waits.is_alive()
    pipe.output.force()
    assert pipe.text().endswith(b"forced\n")


def test_a_forked_child_writes_nothing(pipe: Pipe) -> None:
    """Once it was forgotten, neither lines nor last lines are written."""
    pipe.output.forget(EndRecord(bytearray(end_record.TRACKED_AT), None))
    pipe.output.write(b"line\n")
    pipe.output.write_last(b"last\n")
    pipe.output.force()
    assert pipe.text() == b""


def test_without_a_shared_record_the_line_is_written_all_the_same() -> None:
    """Where the guard sees nothing the process writes its line, and says that nobody can know."""
    record = _with_lines(EndRecord(bytearray(end_record.TRACKED_AT), None))
    pipe = Pipe(record)
    pipe.output.write_last(b"last\n")
    assert pipe.text() == b"last\n"
    assert record.get(end_record.TRACKED).startswith(after_kill.UNKNOWN)
    pipe.close()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_a_file_that_takes_nothing_from_the_kernel_is_written_to(
    pipe: Pipe, record: EndRecord, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Where `sendfile` cannot be had, the line is written, and nobody can know how much of it."""

    def refuse(to: int, source: int, offset: int | None, count: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "sendfile", refuse)
    pipe.output.write_last(b"last\n")
    assert pipe.text() == b"last\n"
    assert record.get(end_record.TRACKED).startswith(after_kill.UNKNOWN)


def test_room_that_another_writer_takes_is_waited_for(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line, and a last line, are written though another writer was quicker once."""
    tries = list[str]()

    def busy_once(name: str) -> None:
        real = getattr(os, name)

        def call(*words: object) -> object:
            tries.append(name)
            if tries.count(name) == 1:
                raise BlockingIOError
            return real(*words)

        monkeypatch.setattr(os, name, call)

    busy_once("write")
    busy_once("sendfile")
    pipe.output.write(b"line\n")
    pipe.output.write_last(b"last\n")
    assert pipe.text() == b"line\nlast\n"
