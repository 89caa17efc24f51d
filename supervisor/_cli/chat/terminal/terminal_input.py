r"""The terminal as chat sets it: one mode for the whole conversation, with signals left on.

prompt_toolkit's raw mode takes Ctrl-C as a key, which nobody reads while the loop is blocked. Here
the kernel goes on making a SIGINT of it (and a SIGTSTP of Ctrl-Z, a SIGQUIT of Ctrl-\), in every
state. The rest of raw mode stays: no echo, no line by line.

NOFLSH is set too. Without it the kernel would discard what was typed before Ctrl-C and not read
yet, and output that is on its way, which may cut an escape sequence in two.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
from contextlib import AbstractContextManager
from typing import Final, TextIO

assert sys.platform != "win32"

from prompt_toolkit.input.posix_utils import PosixStdinReader
from prompt_toolkit.input.vt100 import Vt100Input, raw_mode
from prompt_toolkit.key_binding import KeyPress

from supervisor._process import terminal

# No editor below the cursor, no colours, lines wrap, the cursor is shown, a paste is as typed.
GIVE_BACK: Final = b"\r\x1b[J\x1b[0m\x1b[?7h" + terminal.SHOW_CURSOR + terminal.NO_PASTE_MODE


class SignalInput(Vt100Input):
    """prompt_toolkit's input from a terminal on which Ctrl-C stays a signal.

    Args:
        stdin: The terminal.
    """

    def __init__(self, stdin: TextIO) -> None:
        super().__init__(stdin)
        self.stdin_reader = _Reader(stdin.fileno())
        self.mode = _SignalMode(stdin.fileno())
        """The terminal's mode, to be set and given back."""

    def raw_mode(self) -> AbstractContextManager[None]:
        """Return the mode for the whole conversation."""
        return self.mode

    def cooked_mode(self) -> AbstractContextManager[None]:
        """Return the mode while text is written above the prompt: the same.

        The terminal's own line mode would echo what is typed meanwhile.
        """
        return contextlib.nullcontext()

    def flush_keys(self) -> list[KeyPress]:
        """Return what an unfinished escape sequence is after a pause: Esc, or the key it is.

        A loop that was blocked sees the pause first, and the rest of the sequence a moment later.
        """
        return self.read_keys() if is_readable(self.fileno()) else super().flush_keys()

    def read_all_keys(self) -> list[KeyPress]:
        """Return what was typed so far."""
        keys: list[KeyPress] = []
        while not self.closed and is_readable(self.fileno()):
            keys += self.read_keys()
        return keys


class _Reader(PosixStdinReader):
    """prompt_toolkit's reader, for which a terminal that has gone is closed.

    A read that fails would be tried again for ever.
    """

    def read(self, count: int = 1024) -> str:
        """Return what can be read at once."""
        if self.closed or not is_readable(self.stdin_fd):
            return ""
        try:
            data = os.read(self.stdin_fd, count)
        except BlockingIOError:
            return ""
        except OSError:
            data = b""
        self.closed = not data
        return self._stdin_decoder.decode(data)


class _SignalMode(raw_mode):
    """prompt_toolkit's raw mode, with ISIG, and without a flush at each signal.

    Whoever ends the process by force gives the terminal back, and writes the last words.

    Args:
        fileno: The terminal.
    """

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno)
        self._last_words = b""

    def __enter__(self) -> None:
        super().__enter__()
        self.announce()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        terminal.restored()

    def announce(self, last_words: bytes | None = None) -> None:
        """Tell whoever may have to end the process what to give back, and what to write.

        Args:
            last_words: What to write; None: as before.
        """
        if last_words is not None:
            self._last_words = last_words
        if self.attrs_before is not None:
            terminal.changed(self.fileno, self.attrs_before, GIVE_BACK + self._last_words)

    def leave(self) -> None:
        """Give the terminal back, before the process is suspended; in a signal handler."""
        with contextlib.suppress(OSError):
            os.write(self.fileno, GIVE_BACK)
        super().__exit__()

    def come_back(self) -> None:
        """Set the terminal again; in a signal handler."""
        super().__enter__()

    @classmethod
    def _patch_lflag(cls, attrs: int) -> int:
        return super()._patch_lflag(attrs) | termios.ISIG | termios.NOFLSH


def is_readable(fd: int) -> bool:
    """Return whether a read would not wait: there is something, or the terminal has gone."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))
