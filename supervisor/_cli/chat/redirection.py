"""What the program prints while the editor is shown: it goes above the editor, too."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import threading
from collections.abc import Callable, Generator
from typing import TextIO


class _Above(io.TextIOBase):
    """A stream whose text goes through a function, in the loop's thread.

    Args:
        stream: The stream in whose place it is.
        write: Takes the text.
    """

    def __init__(self, stream: TextIO, write: Callable[[str], None]) -> None:
        self._stream = stream
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream."""
        return self._stream.encoding

    def fileno(self) -> int:
        """Return the fd of the stream, for child processes."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """Return that it is."""
        return True

    def write(self, text: str) -> int:
        """Write text, from any thread."""
        if threading.get_ident() == self._thread:
            self._write(text)
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._write, text)
        return len(text)


@contextlib.contextmanager
def prints_redirected(write: Callable[[str], None]) -> Generator[None]:
    """Have what is printed to stdout and stderr written by a function, in the running loop.

    What child processes and C code print goes to the terminal directly, as does a log whose
    handler was made before.
    """
    with (
        contextlib.redirect_stdout(_Above(sys.stdout, write)),
        contextlib.redirect_stderr(_Above(sys.stderr, write)),
    ):
        yield
