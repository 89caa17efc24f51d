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
import errno
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Final

from supervisor._process import after_kill, end_record
from supervisor._process.after_kill import SECONDS
from supervisor._process.end_record import EndRecord

__all__ = ["SECONDS", "LineWriter", "is_wanted", "refresh", "write_forced"]

_CHUNK: Final = 1 << 16
_PIPE_CHUNK: Final = 4096  # what a pipe that is ready takes without waiting (PIPE_BUF)
_ROOM_MS: Final = 50  # at a forced end, for a reader to make room; the guard tries once more
_LOCK_SECONDS: Final = 0.1  # for one write, which does not block
_JOIN_SECONDS: Final = 0.2  # for the thread to end; one that waits for a reader does not
_PAGE: Final = 4096  # a line within one page goes into a pipe whole, or not at all


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
        self.error: OSError | None = None
        """Why nothing more can be written."""
        self.update()
        self._output = _Output(self._record, fd)
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
        if is_written:
            self._end()
        return is_written

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


class _Output:
    """The file, and how far it was written; each write is a single one that does not block.

    Args:
        record: Where the guard sees how far.
        fd: The file.
    """

    def __init__(self, record: EndRecord, fd: int) -> None:
        self._record = record
        self.fd, self._chunk = _opened(fd)
        self._lock = threading.Lock()  # around each write
        self._is_over = False  # nothing is written any more
        self._is_cut = False  # what was written so far does not end with a line's end
        self._end = end_record.TRACKED_AT  # of what stands in the record's file
        self.is_complete = False
        """Whether the last line is written."""
        record.is_forced = False
        record.stage = end_record.BETWEEN_LINES

    def write(self, line: bytes) -> None:
        """Write a line, however long that takes."""
        rest = memoryview(line)
        while rest and self._is_ready():
            with self._locked() as may_write:
                if not may_write:
                    return
                self._record.stage = end_record.IN_LINE
                rest = rest[self._write_some(rest[: self._chunk]) :]
                self._is_cut = 0 < len(rest) < len(line)
                if not self._is_cut:
                    self._record.stage = end_record.BETWEEN_LINES

    def write_last(self, line: bytes) -> None:
        """Write the last line, however long that takes."""
        with self._locked() as may_write:
            if not may_write:
                return
            tracked = self._track(line)
        while not self.is_complete and self._is_ready():
            with self._locked() as may_write:
                if not may_write:
                    return
                self._write_tracked(tracked)

    def force(self) -> None:
        """Write a last line that was made beforehand, if there is room for it, or almost."""
        if not self._lock.acquire(timeout=_LOCK_SECONDS):
            return
        try:
            if self._is_over:
                return
            tracked = self._track(after_kill.last_line(self._record, is_forced=True))
            self._is_over = True
            while (
                not self.is_complete and self._is_ready(_ROOM_MS) and self._write_tracked(tracked)
            ):
                pass
        except OSError:  # nobody reads any more
            return
        finally:
            self._lock.release()

    def end_without(self) -> None:
        """Write nothing any more, and have nobody else write a last line."""
        with self._locked() as may_write:
            if may_write:
                self._is_over = True
                self._record.stage = end_record.NO_OUTPUT

    def forget(self, record: EndRecord) -> None:
        """Write nothing any more, in a forked child: the lock may be held for ever there."""
        self._record = record
        self._lock = threading.Lock()
        self._is_over = True

    @contextlib.contextmanager
    def _locked(self) -> Generator[bool]:
        """Hold the lock; the value says whether there is still something to write."""
        with self._lock:
            yield not self._is_over

    def _is_ready(self, milliseconds: int | None = None) -> bool:
        """Wait until the file takes something, or nobody reads it any more; return whether so."""
        if sys.platform == "win32":  # which cannot say so
            return True
        poller = select.poll()
        poller.register(self.fd, select.POLLOUT)
        return bool(poller.poll(milliseconds))

    def _write_some(self, data: bytes | memoryview) -> int:
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0

    def _track(self, line: bytes) -> _Tracked:
        """Note where a last line stands, before any of it is written."""
        data = b"\n" * self._is_cut + line
        how, size = _how_to_track(self._record, self.fd)
        at, end = self._end, self._end + len(data)
        self._end = -(-end // _PAGE) * _PAGE
        if self._record.fd is not None:
            _write_at(self._record.fd, data, at)
        facts = (how, b"%d" % at, b"%d" % end, b"%d" % size, b"%d" % self._is_cut)
        self._record.put(end_record.TRACKED, b" ".join(facts))
        if self._record.fd is not None:  # now: a larger offset would count as written before
            os.lseek(self._record.fd, at, os.SEEK_SET)
        self._record.stage = end_record.IN_TRACKED
        return _Tracked(data, by_kernel=how == after_kill.SENT)

    def _write_tracked(self, tracked: _Tracked) -> int:
        """Write some of a last line; return how much."""
        rest = tracked.data[tracked.written :]
        if tracked.by_kernel and self._record.fd is not None:
            count = self._send_some(tracked, min(len(rest), self._chunk))
        else:
            count = self._write_some(rest[: self._chunk])
        tracked.written += count
        self._is_cut = self._is_cut or tracked.written > 0
        self.is_complete = tracked.written == len(tracked.data)
        self._is_over = self._is_over or self.is_complete
        return count

    def _send_some(self, tracked: _Tracked, count: int) -> int:
        assert self._record.fd is not None
        try:
            return os.sendfile(self.fd, self._record.fd, None, count)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS):
                raise
        # A kind of file that takes none, and nothing was written so far.
        self._record.put(end_record.TRACKED, after_kill.UNKNOWN + b" 0 0 0 0")
        tracked.by_kernel = False
        return 0


@dataclass
class _Tracked:
    """A last line on its way."""

    data: bytes
    by_kernel: bool
    written: int = 0


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


def is_wanted() -> bool:
    """Return whether there is a last line to write."""
    return _Current.writer is not None


def _forget() -> None:
    writer, _Current.writer = _Current.writer, None
    if writer is not None:
        writer.forget()


def _opened(fd: int) -> tuple[int, int]:
    """Return a file of our own, and how much one write may take so that it does not block.

    A pipe or a terminal is opened once more: made non-blocking as it is, it would be so for all
    that share it. A socket cannot be opened so, nor another user's pipe.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return os.dup(fd), _CHUNK
    if sys.platform == "linux" and not stat.S_ISSOCK(mode):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with contextlib.suppress(OSError):
            return os.open(f"/proc/self/fd/{fd}", flags), _CHUNK
    return os.dup(fd), _PIPE_CHUNK


def _how_to_track(record: EndRecord, fd: int) -> tuple[bytes, int]:
    """Return how the guard can see what was written, and the file's size now."""
    if record.fd is None:
        return after_kill.UNKNOWN, 0
    import fcntl

    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND:
        return after_kill.APPENDED, found.st_size
    return after_kill.SENT, 0


def _write_at(fd: int, data: bytes, at: int) -> None:
    rest = memoryview(data)
    while rest:
        count = os.pwrite(fd, rest, at)
        rest, at = rest[count:], at + count


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget)
