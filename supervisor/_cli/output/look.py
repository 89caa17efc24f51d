"""How text on stdout may look: what stdout is, what its user wants, and what is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

from supervisor._cli.output.palette import has_rich, is_capable, wants_color

STDOUT: Final = 1
STDERR: Final = 2
_SIZE: Final = (80, 24)


class Look:
    """What can be shown.

    Args:
        environ: The environment.
        fd: The file descriptor that is written to.
    """

    def __init__(self, environ: Mapping[str, str], fd: int = STDOUT) -> None:
        is_terminal = os.isatty(fd)
        self.fd = fd
        self.is_terminal = is_terminal
        self.has_color = has_rich() and wants_color(environ, is_terminal=is_terminal)
        self.has_status = has_rich() and is_terminal and is_capable(environ)
        self.lacks_rich = is_terminal and not has_rich()

    @property
    def encoding(self) -> str:
        """The encoding of stdout."""
        return getattr(sys.__stdout__, "encoding", None) or "utf-8"

    def size(self) -> tuple[int, int]:
        """Return the terminal's columns and lines."""
        try:
            columns, lines = os.get_terminal_size(self.fd)
        except OSError:
            return _SIZE
        return columns or _SIZE[0], lines or _SIZE[1]

    def columns(self) -> int:
        """Return the terminal's columns."""
        return self.size()[0]
