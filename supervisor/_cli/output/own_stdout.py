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
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        own = os.dup(1)
    except OSError as error:
        what = f"there is no stdout to write to: {error}"
        raise CommandError(f"{what}; redirect it to a file or a pipe") from None
    try:
        os.dup2(2, 1)
    except OSError:  # there is no stderr
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
    _buffer_by_line(sys.stdout)
    return own


def _buffer_by_line(stream: TextIO | Any | None) -> None:
    """Have what is printed appear in order with what stderr gets."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True)
