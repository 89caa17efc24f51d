"""The end record: what is to be done at this process's end, where its guard can read it.

A process that is killed can do nothing more. What is left to do then (the last line of machine
output, the terminal's modes) stands in shared memory (`memfd_create`), which outlives the process
as long as the guard holds it. The guard reads it once, at the end: no message is sent for each
change, and an interpreter that is held loses nothing.

A kill can come between any two instructions. So each cell has two slots: a new value goes into the
slot that is not in use, and the change of one byte makes it valid. The last line itself is written
from the record by `sendfile`, and the kernel counts in the file's own offset how much of it was
written (see `last_line`).

The guard imports this module, which therefore imports next to nothing. Where there is no
`memfd_create` (macOS) the record is ordinary memory, which only this process can read.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

LINES: Final = 0
"""The cell of the last lines, as `last_line` writes it."""
TRACKED: Final = 1
"""The cell that says where the line stands whose progress the kernel counts."""
TERMINAL: Final = 2
"""The cell of the terminal, as `terminal` writes it."""

NO_OUTPUT: Final = 0
"""No last line is wanted, or it is no longer ours to write."""
BETWEEN_LINES: Final = 1
"""What was written so far ends with a line's end."""
IN_LINE: Final = 2
"""A line is being written, and may be cut off."""
IN_TRACKED: Final = 3
"""The last line is being written, or was written; `TRACKED` and the offset say how far."""

TRACKED_AT: Final = 1 << 18
"""Where the lines stand that are written by `sendfile`."""

_STAGE, _FORCED = 0, 1  # the offsets of single bytes
_LENGTH: Final = 4  # bytes before each slot's data
# Where each begins, and the size of a slot.
_CELLS: Final = {LINES: (64, 1 << 15), TRACKED: (1 << 17, 256), TERMINAL: (5 << 15, 1 << 13)}


class EndRecord:
    """The record, as one process sees it.

    Args:
        memory: Its bytes: shared memory, or for the guard a copy.
        fd: Its file, whose offset is shared too; None where it is ordinary memory.
    """

    def __init__(self, memory: bytearray, fd: int | None) -> None:
        self._memory = memory
        self.fd = fd

    @property
    def stage(self) -> int:
        """Where the machine output stands: `NO_OUTPUT`, `BETWEEN_LINES`, ..."""
        return self._memory[_STAGE]

    @stage.setter
    def stage(self, stage: int) -> None:
        self._memory[_STAGE] = stage

    @property
    def is_forced(self) -> bool:
        """Whether the process has begun to end itself by force."""
        return self._memory[_FORCED] == 1

    @is_forced.setter
    def is_forced(self, value: bool) -> None:
        self._memory[_FORCED] = int(value)

    def put(self, cell: int, value: bytes) -> None:
        """Replace a cell's value; one thread at a time.

        Raises:
            ValueError: The value is too long.
        """
        at, size = _CELLS[cell]
        if len(value) > size - _LENGTH:
            raise ValueError(f"{len(value)} bytes are too many here; give {size - _LENGTH} at most")
        slot = 1 - self._memory[at]
        data = len(value).to_bytes(_LENGTH, "little") + value
        start = at + 1 + slot * size
        self._memory[start : start + len(data)] = data
        self._memory[at] = slot

    def get(self, cell: int) -> bytes:
        """Return a cell's value; empty where none was put."""
        at, size = _CELLS[cell]
        start = at + 1 + self._memory[at] * size
        length = int.from_bytes(self._memory[start : start + _LENGTH], "little")
        return bytes(self._memory[start + _LENGTH : start + _LENGTH + length])

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done at the end."""
        return self.stage == NO_OUTPUT and not self.get(TERMINAL)


def read(fd: int) -> EndRecord:
    """Return a copy of the record in a file, as the guard reads it."""
    if sys.platform == "win32":
        return EndRecord(bytearray(TRACKED_AT), None)
    return EndRecord(bytearray(os.pread(fd, TRACKED_AT, 0)), fd)


# -- in the process ---------------------------------------------------------------------------


class _ThisProcess:
    """What this process has: its record, its machine output, and who is told of changes."""

    def __init__(self) -> None:
        self.record: EndRecord | None = None
        self.output: int | None = None
        self.on_change: Callable[[], None] = lambda: None


_this: Final = _ThisProcess()


def record() -> EndRecord:
    """Return this process's record; made when it is first asked for."""
    if _this.record is None:
        _this.record = _make()
    return _this.record


def has_record() -> bool:
    """Return whether anything was ever to be done at the end."""
    return _this.record is not None


def hold_output(fd: int | None) -> None:
    """Say which fd the last line goes to, so that the guard holds it too; None: to none."""
    _this.output = fd
    tell()


def tell() -> None:
    """Tell who watches that there is a record now, or another output; takes a lock."""
    _this.on_change()


def watch(callback: Callable[[], None]) -> None:
    """Have a function called when `fds_for_guard` has changed."""
    _this.on_change = callback


def fds_for_guard() -> Sequence[int]:
    """Return the fds that a guard needs: the record's, and the output's; none without a record."""
    if _this.record is None or _this.record.fd is None:
        return ()
    return (_this.record.fd,) if _this.output is None else (_this.record.fd, _this.output)


def is_needed() -> bool:
    """Return whether there would be something to do if this process were killed now."""
    return _this.record is not None and _this.record.fd is not None and not _this.record.is_empty


def _make() -> EndRecord:
    if sys.platform != "linux":
        return EndRecord(bytearray(TRACKED_AT), None)
    import mmap

    try:
        fd = os.memfd_create("supervisor-end")
        os.ftruncate(fd, TRACKED_AT)
        memory = mmap.mmap(fd, TRACKED_AT)
    except OSError:  # too many files, no such call: then only this process can read it
        return EndRecord(bytearray(TRACKED_AT), None)
    return EndRecord(memory, fd)  # type: ignore[arg-type]


def _forget() -> None:
    """Leave the record to the parent in a forked child, and keep no file of it open."""
    found, _this.record = _this.record, None
    output, _this.output = _this.output, None
    for fd in (found.fd if found is not None else None, output):
        if fd is not None:
            os.close(fd)


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget)
