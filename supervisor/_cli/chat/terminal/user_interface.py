"""The user interface of a chat: a line that is typed at the bottom, and text that scrolls above it.

There are two: `editor.py` for terminals that can move the cursor, and `plain.py` for those that
cannot (`TERM=dumb`, a shell inside Emacs).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from supervisor._cli.errors import CommandError
from supervisor._cli.output.palette import is_capable

PROMPT: Final = "> "
QUEUE: Final = "queue> "
"""Stands before a line that is typed while an answer is made."""
ANSWER: Final = "answer> "
"""Stands before the answer to a question of the team."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What the keys do; each function is called in the loop.

    Args:
        on_line: Called with the words of each line that is entered.
        on_escape: Called for Esc; not for an escape sequence, and not for a paste.
        on_end: Called for Ctrl-D on an empty line, and when the terminal has gone.
    """

    on_line: Callable[[str], None]
    on_escape: Callable[[], None]
    on_end: Callable[[], None]


class UserInterface(Protocol):
    """What chat needs of a terminal."""

    async def run(self, keys: Keys) -> None:
        """Show it, and read keys, until it is closed or the terminal has gone."""
        ...

    def close(self) -> None:
        """Have `run` end."""
        ...

    def print(self, text: str) -> None:
        """Write text above the line that is typed; the last line may be unfinished."""
        ...

    def print_aside(self, text: str) -> None:
        """Write text that does not belong to the answer: on lines of its own."""
        ...

    def show(self, *, prompt: str, status: str, hint: str) -> None:
        """Show a prompt before the line, and below it a hint, or else a status."""
        ...

    def remember(self, words: str) -> None:
        """Have the arrow key bring words back, before all others."""
        ...

    def set_last_words(self, text: str) -> None:
        """Have a text written where the process is ended by force."""
        ...

    def read_typed(self) -> None:
        """Take in what was typed so far: it comes before a Ctrl-C that was pressed after it."""
        ...

    def clear_line(self) -> bool:
        """Drop what was typed into the line; return whether there was anything."""
        ...


def check_terminal() -> None:
    """Refuse a chat without a terminal.

    Raises:
        CommandError: stdin or stdout is none.
    """
    for stream, name in ((sys.stdin, "stdin"), (sys.stdout, "stdout")):
        if stream is None or stream.closed or not stream.isatty():
            raise CommandError(
                f"chat needs a terminal, and {name} is none; "
                "use `autogen-supervisor run TARGET TASK` instead"
            )


def open_interface(history: Path) -> UserInterface:
    """Return the user interface for this terminal.

    Args:
        history: The file that keeps what was typed.
    """
    if sys.platform == "win32":
        raise NotImplementedError("chat needs a POSIX terminal")
    if not is_capable(os.environ):
        from supervisor._cli.chat.terminal import plain

        return plain.PlainInterface()
    from supervisor._cli.chat.terminal import editor

    return editor.EditorInterface(history)
