"""What agents and tools print, in order with the transcript and above the status line.

What is written past Python's streams (by child processes, by C code, by who holds the old stream)
goes directly to the terminal; the status line is cleared and drawn anew below it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TextIO, cast


class Printed:
    """Stands in for a stream: has its text written elsewhere, and is that stream in all else.

    Args:
        stream: The stream.
        write: Writes a text.
    """

    def __init__(self, stream: TextIO, write: Callable[[str], None]) -> None:
        self._stream = stream
        self._write_elsewhere = write
        self._pid = os.getpid()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def write(self, text: str) -> int:
        """Have a text written."""
        if os.getpid() != self._pid:  # forked: the thread that writes is the parent's
            return self._stream.write(text)
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._write_elsewhere(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Have texts written."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush what was written before; the rest is on its way."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


@contextlib.contextmanager
def printed_by(write: Callable[[str], None], *names: str) -> Generator[None]:
    """Have a function write what is printed to these streams of `sys`, and put them back.

    Args:
        write: Writes a text; called in any thread.
        names: "stdout", "stderr"; those that the process has not are left out.
    """
    replaced: list[tuple[str, TextIO, Printed]] = []
    for name in names:
        stream: TextIO | None = getattr(sys, name)
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
            stand_in = Printed(stream, write)
            replaced.append((name, stream, stand_in))
            setattr(sys, name, cast("TextIO", stand_in))
    try:
        yield
    finally:
        for name, stream, stand_in in replaced:
            if getattr(sys, name) is stand_in:  # else another has replaced it since
                setattr(sys, name, stream)
