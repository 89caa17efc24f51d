"""Waits for processes to end, and takes no exit status.

`waitpid`, which psutil's own `wait` calls, would take the status from asyncio, or from the `Popen`
that waits for it. A pidfd becomes readable when its process ends, and leaves the status. A process
that has ended and is not waited for yet, a zombie, counts as ended.

The processes beside ours use this too, so the module imports next to nothing.
"""

from __future__ import annotations

import os
import select
import sys
import time

from supervisor._process import process_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Final

    from supervisor._process.process_table import Row

_POLL_SECONDS: Final = 0.05  # between two looks, where there are no pidfds


def until_ended(rows: Collection[Row], deadline: float) -> None:
    """Wait until all have ended, or until a `time.monotonic()`."""
    pidfds = _pidfds(rows)
    if pidfds is None:
        _poll(rows, deadline)
        return
    try:
        _until_readable(pidfds, deadline)
    finally:
        for fd in pidfds:
            os.close(fd)


def is_alive(row: Row) -> bool:
    """Return whether a process has not ended, as far as can be known."""
    try:
        return process_table.is_there(row)
    except OSError:  # too many open files
        return True


def _pidfds(rows: Collection[Row]) -> list[int] | None:
    """Open a pidfd for each that has not ended; None where that is not possible."""
    pidfds: list[int] = []
    try:
        for row in rows:
            fd = process_table.open_pidfd(row)
            if fd is not None:
                pidfds.append(fd)
    except OSError:  # not Linux, or an old kernel; too many open files
        for fd in pidfds:
            os.close(fd)
        return None
    return pidfds


def _until_readable(pidfds: Collection[int], deadline: float) -> None:
    if sys.platform == "win32":
        return
    poller = select.poll()
    for fd in pidfds:
        poller.register(fd, select.POLLIN)
    left = len(pidfds)
    while left and (seconds := deadline - time.monotonic()) > 0:
        for fd, _ in poller.poll(seconds * 1000):
            poller.unregister(fd)
            left -= 1


def _poll(rows: Collection[Row], deadline: float) -> None:
    while any(map(is_alive, rows)) and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, _POLL_SECONDS))
