"""The guard's handle: starts the process that ends ours when C code holds the GIL.

C code that keeps the GIL keeps it from the watchdog too. The guard needs no interpreter but its
own: it runs `guard_main.py`, whose docstring says what it does. This module starts it, sends it the
state of the stop, and receives its reports.

The guard must not get in anybody's way. It is started through a process in between, so it is not
our child (it does not show up in `os.wait()`, as a zombie, or in a test runner's list of children).
It has a session of its own, and holds no file of ours open (a pipeline would wait for it) and no
directory. The one exception is the file of machine output, of which it lets go as soon as the
process is gone (see `end_record`). It blocks every signal, for a service manager sends the stop to
all processes alike.

Not chosen: to fork it. A fork keeps a copy of every page that we change from then on, so it grows
as we do; and a process with threads cannot fork safely. A fresh interpreter takes a few megabytes
and 10 ms.

Where it falls short: it cannot guard PID 1 (`run` splits there).
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Final

from supervisor._reports.log import has_stderr
from supervisor._signals.guard_state import HOLD, ArrivalReport, GuardState, send_line

SCRIPT: Final = os.path.join(os.path.dirname(__file__), "guard_main.py")  # noqa: PTH118, PTH120 - as `_ROOT`
"""What the guard runs; a word of its command line, so that a list of processes shows it."""

_IS_FILE: Final = os.path.isfile(SCRIPT)  # noqa: PTH113 - as `_ROOT`
_ROOT: Final = os.path.abspath(__file__ + "/../../..")  # noqa: PTH100 - no file is to be read
_START: Final = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from supervisor._signals import guard_main; guard_main.main()"
)


class Guard:
    """A guard of this process, as this process sees it.

    Starting it takes as long as starting Python, and blocks meanwhile.

    Args:
        wakeup_fd: The fd of the socket that signals are written to.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, wakeup_fd: int) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(0)
        try:
            with theirs:
                _start(theirs.fileno(), wakeup_fd)
        except BaseException:
            self._socket.close()
            raise

    def update(self, state: GuardState) -> None:
        """Have the guard go by this state from now on; from any thread."""
        send_line(self._socket, state.encoded())

    def hold(self, fds: Sequence[int]) -> None:
        """Have the guard hold the end record and the machine output, and no others from now on.

        Args:
            fds: The record's fd and the output's; or that of the record alone; or none.
        """
        send_line(self._socket, HOLD, fds)

    def arrival_reports(self) -> Sequence[ArrivalReport]:
        """Return what the guard has reported since the last call; one caller at a time."""
        data = b""
        try:
            while chunk := self._socket.recv(65536):
                data += chunk
        except OSError:  # nothing more; the guard was killed
            pass
        return [ArrivalReport.decoded(line) for line in data.rpartition(b"\n")[0].splitlines()]

    def stop(self) -> None:
        """End the guard, unless it holds files; in a forked child, forget it."""
        self._socket.close()


def can_guard() -> bool:
    """Return whether this process can have a guard: not PID 1, which nobody can kill."""
    return sys.platform != "win32" and os.getpid() != 1 and bool(sys.executable) and _IS_FILE


def _start(control: int, wakeup_fd: int) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    # Away from 0 to 2, which a process may have closed and reused for something else.
    command = [sys.executable, "-I", "-S", "-c", _START, _ROOT, SCRIPT]
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in (control, wakeup_fd)]
    try:
        pid = os.posix_spawn(
            sys.executable,
            [*command, *["stderr"] * has_stderr(), str(os.getpid())],
            {},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, copies[0], 0),  # the fds that `guard_main` expects
                (os.POSIX_SPAWN_DUP2, copies[1], 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsigmask=signal.valid_signals(),
        )
    finally:
        for fd in copies:
            os.close(fd)
    try:
        _, status = os.waitpid(pid, 0)  # the process in between
    except ChildProcessError:  # SIGCHLD is ignored, or somebody waits for every child
        return
    if status != 0:
        raise OSError(f"{sys.executable} ended with the wait status {status}")
