"""Writes files in a thread of its own, each replaced whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path


class Writer:
    """Writes the newest text for a file, soon.

    If another one comes while it writes, the one in between is left out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: tuple[Path, str] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._last: Future[None] | None = None
        self._problem = ""

    def write(self, path: Path, text: str) -> None:
        """Have a text written; in any thread."""
        with self._lock:
            is_due = self._next is not None  # the thread will come to it
            self._next = (path, text)
            if not is_due:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(1, thread_name_prefix="supervisor-session")
                self._last = self._pool.submit(self._write)

    async def flush(self, seconds: float | None) -> str:
        """Wait until everything is written.

        Args:
            seconds: For how long at most.

        Returns:
            Why the last text is not written; "" where it is, or may be yet.
        """
        if self._last is not None:
            await asyncio.wait([asyncio.wrap_future(self._last)], timeout=seconds)
        return self._problem

    def close(self) -> None:
        """Wait for what is being written, and write nothing more."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _write(self) -> None:
        with self._lock:
            if self._next is None:
                return
            (path, text), self._next = self._next, None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(path, text)
        except OSError as error:
            self._problem = f"{str(path)!r}: {error.strerror or error}"
        else:
            self._problem = ""


def replace(path: Path, text: str) -> None:
    """Replace a file by a new one, whole; only its user can read it.

    Raises:
        OSError: It cannot be written; what was there is there still.
    """
    fd, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(made).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(made).unlink()
        raise
