"""The standard streams where they cannot be written: closed, a full disk, a reader that has gone.

What is said there to a person is lost, and nothing else: not the status of the process. The
interpreter flushes the streams at its end, and where that fails, its status is 120.
"""

from __future__ import annotations

import contextlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_STANDARD: Final = (0, 1, 2)


def write_stderr(text: str) -> None:
    """Write a text to stderr, if there is one that takes it."""
    # Without a stderr it is None; a tool may have put anything in its place.
    with contextlib.suppress(Exception):
        sys.stderr.write(text)


def let_go_of_unwritable() -> None:
    """Have the interpreter not fail at its end for a stream that cannot be written."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except Exception:  # noqa: BLE001 - of a stream of the program's
            setattr(sys, name, None)


def fill_closed() -> None:
    """Open the null device where a standard file is closed.

    Else the next file that is opened would get its number, and what is meant for stdout.
    """
    for fd in _STANDARD:
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(fd, True)  # noqa: FBT003 - its one argument
