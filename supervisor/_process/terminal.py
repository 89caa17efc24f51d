"""The terminal: given back as it was found, however the process ends.

Whoever changes the terminal says so (`changed`): its modes as they were found, and what undoes the
escape sequences that were written. In order, whoever changed it puts it back, and says that as well
(`restored`). Else whoever ends the process puts it back: `exit_now` at the forced end, the guard
after a kill, `atexit` where somebody has forgotten it.

A terminal has several users, and the shell that started us may have taken it back already. So it
is put back only where its modes are still exactly as we had set them: to restore blindly puts
bash's line editor out of order. A shell that controls jobs takes it back by itself, soon after its
job was killed; there the guard waits for a moment before it sets the modes, so that the two do not
meet. The cursor alone is shown again in any case, because no shell does that.

It is opened by its path, without becoming our controlling terminal and without waiting. The guard
is in another session, so no SIGTTOU comes. A terminal that is gone, or is another one by now, is
left alone.

Where it falls short: without a guard a kill from outside leaves the terminal as it is. A terminal
without a path (one of another mount namespace) is put back by whoever changed it, and by nobody
else.

The guard imports this module, which therefore imports next to nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
import time

assert sys.platform != "win32"

from supervisor._process import end_record
from supervisor._process.after_kill import write_unblocked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    Attributes = list[Any]

SHOW_CURSOR: Final = b"\x1b[?25h"
NO_PASTE_MODE: Final = b"\x1b[?2004l"

_SHELL_SECONDS: Final = 0.1  # for a shell that takes its terminal back


def changed(fd: int, found: Attributes, undo: bytes = b"") -> None:
    """Say that this process has changed a terminal; again after each change.

    Args:
        fd: The terminal, with the modes that we have set.
        found: Its modes as they were before, from `termios.tcgetattr`; the present ones where only
            escape sequences were written.
        undo: The escape sequences that undo what was written: `SHOW_CURSOR`, `NO_PASTE_MODE`, ...
    """
    try:
        path = os.ttyname(fd)
        ours = termios.tcgetattr(fd)
    except (OSError, termios.error):  # gone, or without a path
        return
    words = [path, str(os.fstat(fd).st_rdev), _to_word(found), _to_word(ours), undo.hex()]
    _put("\n".join([*words, "job" * _is_job()]).encode())
    _restore_at_exit()


def restored() -> None:
    """Say that the terminal is as it was found."""
    if end_record.has_record():
        _put(b"")


def give_back() -> None:
    """Put the terminal back where it is still as we had set it; do not wait."""
    if end_record.has_record():
        record = end_record.record()
        restore(record.get(end_record.TERMINAL))
        record.put(end_record.TERMINAL, b"")


def restore(encoded: bytes, *, waits_for_shell: bool = False) -> None:
    """Put a terminal back, from what the end record has.

    Args:
        encoded: The record's cell.
        waits_for_shell: Whether its process is gone, and a shell may be taking the terminal back.
    """
    facts = _Facts.decoded(encoded)
    fd = facts.open() if facts is not None else None
    if facts is None or fd is None:
        return
    # In the background SIGTTOU would stop us; blocked, it does not come.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        facts.restore(fd, _SHELL_SECONDS if facts.is_job and waits_for_shell else 0.0)
    except (OSError, termios.error):  # gone
        return
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(fd)


class _Facts:
    """A terminal that was changed.

    Args:
        path: Where it is.
        device: Its device number.
        found: Its modes as they were found.
        ours: Its modes as we have set them.
        undo: The escape sequences that undo ours.
        is_job: Whether a shell that controls jobs has started us.
    """

    def __init__(
        self,
        path: str,
        device: int,
        found: Attributes,
        ours: Attributes,
        undo: bytes,
        is_job: bool,  # noqa: FBT001
    ) -> None:
        self.path, self.device = path, device
        self.found, self.ours, self.undo, self.is_job = found, ours, undo, is_job

    @classmethod
    def decoded(cls, encoded: bytes) -> _Facts | None:
        if not encoded:
            return None
        path, device, found, ours, undo, job = encoded.decode().split("\n")
        modes = _from_word(found), _from_word(ours)
        return cls(path, int(device), *modes, bytes.fromhex(undo), job == "job")

    def open(self) -> int | None:
        """Open it; None where it is gone, or another one."""
        flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(self.path, flags)
        except OSError:
            return None
        if os.fstat(fd).st_rdev == self.device and os.isatty(fd):
            return fd
        os.close(fd)
        return None

    def restore(self, fd: int, seconds: float) -> None:
        """Put it back where its modes are ours, and still are so many seconds later."""
        if not self._is_ours(fd):
            write_unblocked(fd, SHOW_CURSOR if SHOW_CURSOR in self.undo else b"")
            return
        write_unblocked(fd, self.undo)
        time.sleep(seconds)
        if self._is_ours(fd):
            termios.tcsetattr(fd, termios.TCSANOW, self.found)

    def _is_ours(self, fd: int) -> bool:
        return _to_word(termios.tcgetattr(fd)) == _to_word(self.ours)


class _AtExit:
    """Whether `give_back` is called at the interpreter's end."""

    is_registered = False


def _put(value: bytes) -> None:
    """Change the record; may be called in a signal handler, except for the first time."""
    is_first = not end_record.has_record()
    end_record.record().put(end_record.TERMINAL, value)
    if is_first:
        end_record.tell()


def _restore_at_exit() -> None:
    if not _AtExit.is_registered:
        import atexit

        atexit.register(give_back)
        _AtExit.is_registered = True


def _is_job() -> bool:
    """Return whether our parent has given us a process group of our own in its session."""
    parent = os.getppid()
    try:
        return os.getsid(parent) == os.getsid(0) and os.getpgid(parent) != os.getpgrp()
    except OSError:  # it is gone
        return False


def _to_word(attributes: Attributes) -> str:
    *numbers, characters = attributes
    codes = [it[0] if isinstance(it, bytes) else it for it in characters]
    return ",".join(map(str, [*numbers, *codes]))


def _from_word(word: str) -> Attributes:
    numbers = [int(it) for it in word.split(",")]
    return [*numbers[:6], numbers[6:]]
