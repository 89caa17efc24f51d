"""What ends a command with one line on stderr, without a traceback."""

from __future__ import annotations


class CommandError(Exception):
    """A command cannot go on; its text is one line that says what to do instead.

    Args:
        text: The line, without the program's name.
        status: The exit status: 2 for usage, and for what cannot be loaded.
    """

    def __init__(self, text: str, status: int = 2) -> None:
        super().__init__(text)
        self.status = status
