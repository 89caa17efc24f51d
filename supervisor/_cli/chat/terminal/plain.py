"""The user interface of a terminal that cannot move the cursor: lines, in the terminal's own mode.

The terminal edits the line, and Ctrl-C is a signal there anyway. Esc is a character like others.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
from typing import Final

from supervisor._cli.chat.terminal.user_interface import QUEUE, Keys
from supervisor._process import terminal

assert sys.platform != "win32"

_STDIN: Final = 0
_SETTLED: Final = 0.05  # seconds after which a prompt is not about to change again


class PlainInterface:
    """Reads lines, and writes text as it comes; a prompt where it waits for the user."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()
        self._keys: Keys | None = None
        self._typed = b""
        self._prompt, self._hint = "", ""
        self._is_at_prompt = False
        self._writing: asyncio.TimerHandle | None = None

    async def run(self, keys: Keys) -> None:
        """Read lines until it is closed or the terminal has gone."""
        loop = asyncio.get_running_loop()
        self._keys = keys
        loop.add_reader(_STDIN, self._read)
        try:
            await self._closed.wait()
        finally:
            loop.remove_reader(_STDIN)
            self._prompt = ""
            self.print("")
            terminal.restored()

    def close(self) -> None:
        """Have `run` end."""
        self._closed.set()

    def print(self, text: str) -> None:
        """Write text; on a line of its own where the prompt stands."""
        self._write("\n" * self._is_at_prompt + text)
        self._is_at_prompt = False

    def print_aside(self, text: str) -> None:
        """Write text that does not belong to the answer."""
        self.print(text)

    def show(self, *, prompt: str, status: str, hint: str) -> None:  # noqa: ARG002
        """Write what has changed, but no status: it would scroll by."""
        if hint and hint != self._hint:
            self.print(f"{hint}\n")
        self._hint = hint
        self._prompt = "" if prompt == QUEUE else prompt
        if self._writing is None:
            loop = asyncio.get_running_loop()
            self._writing = loop.call_later(_SETTLED, self._write_prompt)

    def remember(self, words: str) -> None:
        """Write them: nothing else can bring them back."""
        self.print(f"Not answered: {words}\n")

    def set_last_words(self, text: str) -> None:
        """Have a text written where the process is ended by force."""
        with contextlib.suppress(termios.error):  # the terminal has gone
            terminal.changed(_STDIN, termios.tcgetattr(_STDIN), text.encode())

    def read_typed(self) -> None:
        """Do nothing: the terminal has dropped it."""

    def clear_line(self) -> bool:
        """Drop what was typed; the terminal has dropped the rest."""
        had, self._typed = bool(self._typed), b""
        return had

    def _read(self) -> None:
        assert self._keys is not None
        try:
            data = os.read(_STDIN, 65536)
        except OSError:
            data = b""
        self._is_at_prompt = False
        if not data and not self._typed:
            self._write("\n")
            self._keys.on_end()
        *lines, self._typed = (self._typed + data).split(b"\n")
        for line in lines:
            self._keys.on_line(line.decode(errors="replace"))

    def _write_prompt(self) -> None:
        self._writing = None
        if self._prompt and not self._is_at_prompt:
            self._write(self._prompt)
            self._is_at_prompt = True

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal has gone
            sys.stdout.write(text)
            sys.stdout.flush()
