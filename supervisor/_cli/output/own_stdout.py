"""Takes stdout for what we write there alone: what anybody else prints goes to stderr.

File descriptor 1 is moved, so this holds for threads, C code and child processes, too.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import Any, TextIO

from supervisor._cli.errors import CommandError


@functools.cache
def take_stdout() -> int:
    """Return a file of our own that goes where stdout went; stdout goes to stderr from now on.

    Every call gives the same file.

    Raises:
        CommandError: There is no stdout.
    """
    if sys.stdout is None:
        raise CommandError("there is no stdout to write to; redirect it to a file or a pipe")
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    _buffer_by_line(sys.stdout)
    return own


def _buffer_by_line(stream: TextIO | Any | None) -> None:
    """Have what is printed appear in order with what stderr gets."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)
