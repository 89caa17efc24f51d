"""The file of machine output: written in single writes that do not block, the last one counted.

It is opened anew, without blocking, so that nobody who waits for a reader holds the lock. How far
the last line was written stands in the end record (see `last_line` for why).
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from supervisor._process import after_kill, end_record
from supervisor._process.end_record import EndRecord

assert sys.platform != "win32"

_CHUNK: Final = 1 << 16
_PIPE_CHUNK: Final = 4096  # what a pipe that is ready takes without waiting (PIPE_BUF)
_ROOM_MS: Final = 50  # at a forced end, for a reader to make room; the guard tries once more
_LOCK_SECONDS: Final = 0.1  # for one write, which does not block
_PAGE: Final = 4096  # a line within one page goes into a pipe whole, or not at all


class OutputFile:
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
        self._is_forced = False  # no last line but that of the forced end
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
            if not may_write or self._is_forced:
                return
            tracked = self._track(line)
        while not self.is_complete and self._is_ready():
            with self._locked() as may_write:
                if not may_write or self._is_forced:
                    return
                self._write_tracked(tracked)

    def begin_force(self) -> None:
        """Write no other last line from now on than that of `force`."""
        self._is_forced = True

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
