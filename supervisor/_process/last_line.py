"""Machine output: whole lines on one file, and a last line however the process ends.

A program that reads our output must learn how it ended. In order, the program writes its last line
itself (`finish`). Else whoever ends the process writes one: the process at its forced end
(`write_forced`, which `exit_now` calls), the guard where it kills the process or finds it killed.

Exactly one is written, and nothing behind it:

- *In the process* one lock stands around each single write, and no write blocks. At the forced end
  the lock is taken, and from then on the writer's thread writes nothing: what waits there for a
  reader stays unwritten.
- *Between the process and the guard* the kernel says what was written. The last line stands in the
  end record's file and is written by `sendfile`, which advances that file's offset. The guard has
  the same offset, so it knows of each byte, whenever the process was killed. Not chosen: to note
  behind the write that it was done, for a kill can come between the two.

The lines for the forced ends are made beforehand (`update`): there may be no interpreter to make
them. What nobody knows beforehand is the time: `SECONDS` stands for it.

Where it falls short: without a guard, and outside Linux, nothing is written after a kill from
outside. A file opened for appending refuses `sendfile`: there the guard looks into the file.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

assert sys.platform != "win32"

from supervisor._process import end_record
from supervisor._process.after_kill import SECONDS
from supervisor._process.end_record import EndRecord
from supervisor._process.output_file import OutputFile

__all__ = ["SECONDS", "LineWriter", "begin_forced_end", "is_wanted", "refresh", "write_forced"]

_JOIN_SECONDS: Final = 0.2  # for the thread to end; one that waits for a reader does not


class LineWriter:
    """Writes lines in a thread of its own, until the last one.

    There is one in a process. Make it after `run` has begun (as PID 1 the process splits there).
    End it by `finish`, or by `close` where no last line is wanted, on every orderly way out: where
    neither was called, the guard takes the process for killed.

    Args:
        fd: Where to; stays the caller's.
        forced: Returns the last line of a process that is ended by force, without a newline.
        killed: The same for one that is killed from outside. Both are called in `update`, and once
            more at a forced end, in a thread that nobody waits for long. A JSON string that is
            `SECONDS` is replaced by the seconds since this writer was made.
        on_error: Called in the writer's thread when nothing more can be written; a closed pipe is a
            `BrokenPipeError`. What is put from then on is dropped.
    """

    def __init__(
        self,
        fd: int,
        *,
        forced: Callable[[], bytes],
        killed: Callable[[], bytes],
        on_error: Callable[[OSError], None] | None = None,
    ) -> None:
        self._began = time.monotonic()
        self._forced, self._killed, self._on_error = forced, killed, on_error
        self._record = end_record.record()
        self._update_lock = threading.Lock()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._taken = self._done = 0  # bytes; the second is counted by the writer's thread
        self._is_forced = False
        self.error: OSError | None = None
        """Why nothing more can be written."""
        self.update()
        self._output = OutputFile(self._record, fd)
        _Current.writer = self
        end_record.hold_output(self._output.fd)
        self._thread = threading.Thread(target=self._work, name="supervisor-output", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Have a line written, which ends with a newline; do not wait. In one thread only."""
        self._taken += len(line)
        self._jobs.put(lambda: self._write(line))

    @property
    def waiting(self) -> int:
        """How many bytes wait for the reader."""
        return self._taken - self._done

    def _write(self, line: bytes) -> None:
        try:
            self._output.write(line)
        finally:
            self._done += len(line)

    def update(self) -> None:
        """Make the lines for the forced ends anew; from any thread."""
        lines = b"\n".join((repr(self._began).encode(), self._forced(), self._killed()))
        with self._update_lock:
            self._record.put(end_record.LINES, lines)

    def flush(self, seconds: float | None = None) -> bool:
        """Wait until all is written that was put; return whether it is.

        Args:
            seconds: How long to wait at most; None: without limit.
        """
        done = threading.Event()
        self._jobs.put(done.set)
        is_done = done.wait(seconds) if self._thread.is_alive() else True
        return is_done and self.error is None

    def finish(self, line: bytes, seconds: float | None = None) -> bool:
        """Write the last line behind what was put, and wait for that; return whether it is written.

        It is not where nobody reads, or where the process is being ended by force.

        Args:
            line: The line, which ends with a newline.
            seconds: How long to wait at most; None: without limit. It may still be written later.
        """
        self._jobs.put(lambda: self._output.write_last(line))
        is_written = self.flush(seconds) and self._output.is_complete
        if self._is_forced and not is_written:
            threading.Event().wait()  # until then: an end of our own would have another status
        if is_written:
            self._end()
        return is_written

    def begin_force(self) -> None:
        """Leave the last line to the forced end, which has begun in another thread."""
        self._is_forced = True
        self._output.begin_force()

    def close(self) -> None:
        """Have no last line written: this end is in order, and has none."""
        self._output.end_without()
        self._end()

    def force(self, until: float) -> None:
        """Write the last line of a forced end, unless the last one was written; do not wait long.

        Args:
            until: Until when to wait for what was put, by `time.monotonic()`.
        """
        self._record.is_forced = True  # where this fails the guard tries
        self.flush(max(0.0, until - time.monotonic()))
        self._output.force()

    def forget(self) -> None:
        """Write nothing any more, in a forked child."""
        self._record = EndRecord(bytearray(end_record.TRACKED_AT), None)  # not the parent's
        self._output.forget(self._record)

    def _end(self) -> None:
        if _Current.writer is not self:  # it was ended before; a forked child
            return
        _Current.writer = None
        self._record.stage = end_record.NO_OUTPUT
        end_record.hold_output(None)
        self._jobs.put(None)
        self._thread.join(_JOIN_SECONDS)
        if not self._thread.is_alive():
            os.close(self._output.fd)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except OSError as error:  # a closed pipe, a full disk
                self.error = error
                self._output.end_without()
                if self._on_error is not None:
                    self._on_error(error)


class _Current:
    """The writer of this process, while it has one."""

    writer: LineWriter | None = None


def refresh() -> None:
    """Have the last line of a forced end know what is known now; it may never return."""
    if (writer := _Current.writer) is not None:
        with contextlib.suppress(Exception):  # of the program's functions
            writer.update()


def write_forced(until: float) -> None:
    """Write the last line of a forced end, where one is wanted and none was written.

    Args:
        until: Until when to wait for what was put before it, by `time.monotonic()`.
    """
    if (writer := _Current.writer) is not None:
        writer.force(until)


def begin_forced_end() -> None:
    """Have the process write no last line any more but that of the forced end, which begins."""
    if (writer := _Current.writer) is not None:
        writer.begin_force()


def is_wanted() -> bool:
    """Return whether there is a last line to write."""
    return _Current.writer is not None


def _forget() -> None:
    writer, _Current.writer = _Current.writer, None
    if writer is not None:
        writer.forget()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget)
