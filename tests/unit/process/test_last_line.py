"""The writer of machine output: its ends, and what it does where there is no end of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from supervisor._process import end_record, last_line
from supervisor._process.last_line import LineWriter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs sendfile and /proc")


class Output:
    """A pipe, and the writer of it."""

    def __init__(self) -> None:
        self.reader, self._pipe = os.pipe()
        self.writer = LineWriter(self._pipe, forced=lambda: b"forced", killed=lambda: b"killed")

    def fill(self) -> None:
        """Put as much into the pipe as it takes."""
        try:
            while True:
                os.write(self.writer._output.fd, b"x" * 4096)
        except BlockingIOError:
            return

    def text(self) -> bytes:
        """Return what is in the pipe, once its other ends are closed."""
        os.close(self._pipe)
        self._pipe = -1
        found = b""
        while data := os.read(self.reader, 1 << 20):
            found += data
        return found

    def close(self) -> None:
        """Close what is open."""
        for fd in (self._pipe, self.reader):
            if fd >= 0:
                os.close(fd)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Iterator[Output]:
    """Give a pipe with a writer, in a process that begins without a record."""
    monkeypatch.setattr(end_record, "_this", end_record._ThisProcess())
    made = Output()
    record = end_record.record().fd
    assert record is not None
    yield made
    made.close()
    os.close(record)


def test_a_forked_child_writes_nothing_and_ends_nothing(output: Output) -> None:
    """The last line, and the output, are the parent's, whose record says so as before."""
    writer = output.writer
    last_line._forget()  # as in the child
    assert not last_line.is_wanted()
    writer.put(b"child\n")
    assert not writer.finish(b"result\n", 10)
    writer.close()
    last_line.write_forced(0.0)
    assert end_record.record().stage == end_record.BETWEEN_LINES
    writer._jobs.put(None)
    writer._thread.join(10)
    os.close(writer._output.fd)
    assert output.text() == b""


def test_a_writer_that_waits_for_its_reader_delays_no_end(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps its file until the reader has made room, and writes nothing into that."""
    monkeypatch.setattr(last_line, "_JOIN_SECONDS", 0.0)
    writer = output.writer
    output.fill()
    writer.put(b"line\n")
    writer.close()
    assert not last_line.is_wanted()
    os.read(output.reader, 1 << 16)
    writer._thread.join(10)
    os.close(writer._output.fd)
    assert output.text().strip(b"x") == b""


def test_without_a_reader_nothing_is_written_and_nothing_raised(output: Output) -> None:
    """Nobody has to be told: `flush` says so, and `error` says why."""
    os.close(output.reader)
    output.reader = -1
    output.writer.put(b"line\n")
    assert not output.writer.flush(10)
    assert isinstance(output.writer.error, BrokenPipeError)
    output.writer.close()


def test_a_last_line_that_was_written_meanwhile_is_not_refreshed() -> None:
    """At a forced end the program may have come to its own last line in the meantime."""
    assert not last_line.is_wanted()
    last_line.refresh()
    last_line.begin_forced_end()
    last_line.write_forced(0.0)
