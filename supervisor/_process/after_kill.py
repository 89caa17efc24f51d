"""What is left to do when a process was killed: its last line, and its terminal given back.

The guard does it, from the end record. So this module imports next to nothing. It waits 0.2 s for a
pipe that is full, whose reader may just be slower than the process was. Nobody waits for the guard
meanwhile: a reader that reads makes room at once.
"""

from __future__ import annotations

import os
import select
import sys
import time

from supervisor._process import end_record

assert sys.platform != "win32"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from supervisor._process.end_record import EndRecord

SECONDS: Final = "@seconds@"
"""What stands in a last line, as a JSON string, for the seconds since its writer was made."""

SENT: Final = b"sent"
"""The kernel counts how much of the tracked line was written."""
APPENDED: Final = b"appended"
"""The tracked line goes to a file that is opened for appending; the file shows what was written."""
UNKNOWN: Final = b"unknown"
"""Nobody can see how much of the tracked line was written."""

_BOTH: Final = 2
_READER_SECONDS: Final = 0.2  # for a slow reader to make room; one that reads sees no delay
_PIPE_CHUNK: Final = 4096  # what a pipe that is ready takes without waiting (PIPE_BUF)


class HeldFiles:
    """The files that the guard holds for the process's end: the end record, the machine output."""

    def __init__(self) -> None:
        self._fds: Sequence[int] = ()
        self._is_terminal_back = False

    @property
    def are_there(self) -> bool:
        """Whether something may be left to do at the end."""
        return bool(self._fds)

    def replace(self, fds: Sequence[int]) -> None:
        """Hold these files, and close those that were held before.

        Args:
            fds: The record's and the output's; the record's alone; or none.
        """
        before, self._fds = self._fds, fds
        for fd in before:
            os.close(fd)
        from supervisor._process import terminal  # now: at the end a shell may be quicker

        self._restore_terminal = terminal.restore

    def write_last_line(self, *, is_forced: bool) -> None:
        """Write the last line where the process has not, and let go of the machine output.

        Args:
            is_forced: Whether the process was ended at its deadline, and not by somebody else.
        """
        if len(self._fds) < _BOTH:
            return
        record_fd, output = self._fds
        write_last_line(end_record.read(record_fd), output, is_forced=is_forced)
        self._fds = (record_fd,)
        os.close(output)

    def give_terminal_back(self, *, is_gone: bool) -> None:
        """Put the terminal back, where it is still as the process has set it; once.

        Args:
            is_gone: Whether the process is gone, and a shell may be taking its terminal back.
        """
        encoded = end_record.read(self._fds[0]).get(end_record.TERMINAL) if self._fds else b""
        if encoded and not self._is_terminal_back:
            self._is_terminal_back = True
            self._restore_terminal(encoded, waits_for_shell=is_gone)


def write_last_line(record: EndRecord, output: int, *, is_forced: bool) -> None:
    """Write the last line of a process that is gone, unless it has written its own.

    Args:
        record: Its end record.
        output: Where its machine output goes.
        is_forced: Whether it was ended at its deadline, and not by somebody else.
    """
    is_cut = record.stage == end_record.IN_LINE
    if record.stage == end_record.NO_OUTPUT:
        return
    if record.stage == end_record.IN_TRACKED:
        is_done, is_cut = _progress(record, output)
        if is_done:
            return
    line = last_line(record, is_forced=is_forced or record.is_forced)
    write_unblocked(output, b"\n" * is_cut + line, _READER_SECONDS)


def last_line(record: EndRecord, *, is_forced: bool) -> bytes:
    """Return the last line that was made beforehand, with the seconds of now."""
    began, forced, killed = record.get(end_record.LINES).split(b"\n")
    seconds = f"{time.monotonic() - float(began):.3f}".encode()
    line = forced if is_forced else killed
    return line.replace(f'"{SECONDS}"'.encode(), seconds) + b"\n"


def write_unblocked(fd: int, data: bytes, seconds: float = 0.0) -> bool:
    """Write what can be written without waiting longer than this; return whether that was all."""
    deadline = time.monotonic() + seconds
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    while data:
        milliseconds = max(0.0, deadline - time.monotonic()) * 1000
        try:
            if not any(event & select.POLLOUT for _, event in poller.poll(milliseconds)):
                return False
            data = data[os.write(fd, data[:_PIPE_CHUNK]) :]
        except BlockingIOError:  # taken by another writer
            continue
        except OSError:  # closed
            return False
    return True


def _progress(record: EndRecord, output: int) -> tuple[bool, bool]:
    """Return whether the tracked line was written, and whether a line is cut off now."""
    how, at, end, size, is_cut = record.get(end_record.TRACKED).split()
    if how == UNKNOWN or record.fd is None:
        return True, False  # rather none than two
    if how == APPENDED:
        line = os.pread(record.fd, int(end) - int(at), int(at))
        return _look_for(line, output, int(size))
    offset = os.lseek(record.fd, 0, os.SEEK_CUR)
    return offset >= int(end), offset > int(at) or is_cut == b"1"


def _look_for(line: bytes, output: int, size: int) -> tuple[bool, bool]:
    """Return whether a file has a line behind what was its size, and whether it ends within one."""
    try:
        fd = os.open(f"/proc/self/fd/{output}", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            end = os.fstat(fd).st_size
            last = os.pread(fd, 1, max(0, end - 1))
            return line in os.pread(fd, end - size, size), last not in (b"", b"\n")
        finally:
            os.close(fd)
    except OSError:  # rather no line than two: it is not to be read by us
        return True, False
