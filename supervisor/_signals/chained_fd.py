"""The wakeup fd that stood in the slot before ours.

It is written to through a copy: the number itself may be closed, and name somebody's file by now.
On Windows it is a socket, whose handle neither `os.dup` nor `os.write` takes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys


class ChainedFd:
    """A wakeup fd of somebody else, and a copy of it.

    Args:
        number: Its number.

    Raises:
        OSError: It is closed.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        if sys.platform == "win32":
            self._copy = socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM)
        else:
            self._copy = os.dup(number)

    def is_still_there(self) -> bool:
        """Return whether the number still names the file that it named when we found it."""
        try:
            if sys.platform == "win32":
                with socket.fromfd(self.number, socket.AF_INET, socket.SOCK_STREAM) as now:
                    return bool(now.getsockname() == self._copy.getsockname())
            now, then = os.fstat(self.number), os.fstat(self._copy)
        except OSError:
            return False
        return (now.st_dev, now.st_ino) == (then.st_dev, then.st_ino)

    def write(self, data: bytes) -> None:
        """Pass bytes on."""
        with contextlib.suppress(OSError):  # full, or its reader has gone
            if sys.platform == "win32":
                self._copy.send(data)
            else:
                os.write(self._copy, data)

    def close(self) -> None:
        """Close the copy."""
        if sys.platform == "win32":
            self._copy.close()
        else:
            os.close(self._copy)
