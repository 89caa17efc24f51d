"""A pseudo-terminal with somebody at it: types, and sees what a person would see.

What the program writes goes through a terminal emulator (pyte). Every wait has a deadline and is
for something that can be seen.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import select
import struct
import termios
import time
from collections.abc import Callable
from typing import Any, Final, Self

import pyte
from rich.cells import cell_len

PATIENCE: Final = 30.0

CTRL_C, CTRL_D, CTRL_Z, ESC, ENTER, UP = "\x03", "\x04", "\x1a", "\x1b", "\r", "\x1b[A"


class Screen(pyte.HistoryScreen):
    """A screen on which a wide character does not stand across the margin, as in xterm."""

    def draw(self, data: str) -> None:
        """Draw characters at the cursor."""
        for character in data:
            if cell_len(character) > 1 and self.cursor.x == self.columns - 1:
                self.cursor.x = self.columns
            super().draw(character)


class Terminal:
    """One end of a pseudo-terminal; the program has the other.

    Args:
        fd: Our end; None: a new pseudo-terminal.
        columns: Its width.
        rows: Its height.
    """

    def __init__(self, fd: int | None = None, *, columns: int = 80, rows: int = 24) -> None:
        self.theirs: int | None = None
        if fd is None:
            fd, self.theirs = os.openpty()
        self.fd = fd
        self._screen = Screen(columns, rows, history=5000)
        self._stream = pyte.Stream(self._screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.raw = ""
        """All that was written."""
        self.resize(columns, rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it, as somebody closes the window."""
        for fd in (self.fd, self.theirs):
            if fd is not None and fd >= 0:
                os.close(fd)
        self.fd, self.theirs = -1, None

    # -- what a person does -------------------------------------------------------------------

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.fd, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Make the window larger or smaller."""
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, size)
        self._screen.resize(rows, columns)

    # -- what a person sees -------------------------------------------------------------------

    @property
    def lines(self) -> list[str]:
        """The lines on the screen that are not empty."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    @property
    def text(self) -> str:
        """All that can be seen, what has scrolled by included."""
        gone = [
            "".join(line[column].data for column in range(self._screen.columns)).rstrip()
            for line in self._screen.history.top
        ]
        return "\n".join([*gone, *(line.rstrip() for line in self._screen.display)])

    @property
    def prompt(self) -> str:
        """The line in which the cursor is."""
        return self._screen.display[self._screen.cursor.y].rstrip()

    @property
    def is_cursor_shown(self) -> bool:
        """Whether the cursor can be seen."""
        return not self._screen.cursor.hidden

    def wait_for(self, text: str, *, count: int = 1, seconds: float = PATIENCE) -> None:
        """Wait until a text can be seen so many times."""
        self.wait_until(lambda: self.text.count(text) >= count, f"{text!r}", seconds)

    def wait_for_prompt(self, prompt: str, seconds: float = PATIENCE) -> None:
        """Wait until the cursor stands behind exactly this."""
        self.wait_until(lambda: self.prompt == prompt, f"the prompt {prompt!r}", seconds)

    def wait_until(
        self, is_so: Callable[[], bool], what: str = "it", seconds: float = PATIENCE
    ) -> None:
        """Wait until something is so that changes with what is written."""
        deadline = time.monotonic() + seconds
        while not is_so():
            if not self.read(deadline - time.monotonic()):
                raise AssertionError(f"{what} did not come within {seconds:g} s:\n{self.story()}")

    def read(self, seconds: float = 0.0) -> bool:
        """Take in what was written; return whether there was anything."""
        if not select.select([self.fd], [], [], max(0.0, seconds))[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # nobody has the other end open any more
            return False
        text = self._decoder.decode(data)
        self.raw += text
        self._stream.feed(text)
        return bool(data)

    def read_all(self) -> None:
        """Take in what was written so far."""
        while self.read():
            pass

    def modes(self) -> list[Any]:
        """Return the terminal's modes, as `stty -a` shows them."""
        return termios.tcgetattr(self.fd if self.theirs is None else self.theirs)

    def story(self) -> str:
        """Return what can be seen, for the message of a failed test."""
        return f"{self.text.strip()}\n(cursor at {self.prompt!r}; raw end {self.raw[-300:]!r})"
