"""Readiness: lets a service manager and a probe know when the process is ready or stopping.

systemd (`Type=notify`) reads one datagram for each state from the socket that it names in
`NOTIFY_SOCKET`; see sd_notify(3). A probe checks for a file, which exists while the process is
ready, and is gone from the first stop request on. Either takes a dozen lines, and less than a
library that would have to be installed as well.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from pathlib import Path
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"


def notify_manager(state: str) -> bool:
    """Send a state to the service manager; do not wait, and do not raise.

    Args:
        state: A line of sd_notify(3).

    Returns:
        Whether there is one, and the state was sent.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if sys.platform == "win32":
        return False
    if address[:1] not in ("/", "@"):
        return False
    name = "\0" + address[1:] if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.settimeout(0)
        to.sendto(state.encode(), name)
        return True
    return False


class ReadyFile:
    """A file that exists while the process is ready.

    Args:
        path: The file. Its folder must exist; a file that is already there is replaced.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._pid = 0

    def create(self) -> None:
        """Create the file, with the pid in it.

        Raises:
            OSError: It cannot be created; or what is there is no file, and would be lost.
        """
        if self.path.exists() and not (self.path.is_file() or self.path.is_symlink()):
            raise FileExistsError(errno.EEXIST, "what is there is no regular file", str(self.path))
        if self.path.is_symlink() and (self.path.is_file() or not self.path.exists()):
            self.path.unlink()  # else the file that it leads to would be written, and stay
        self._pid = os.getpid()
        self.path.write_text(f"{self._pid}\n", encoding="ascii")

    def remove(self) -> None:
        """Remove the file; from any thread, as often as you like. A forked child leaves it."""
        if os.getpid() == self._pid:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
