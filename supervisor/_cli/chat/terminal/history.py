"""What was typed before, in a file of the user's state directory that nobody else can read."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory


def history_in(file: Path) -> History:
    """Return the history that a file keeps; in memory where there can be no file.

    Call it before the loop runs: a disk may be slow.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        return _KeptHistory(FileHistory(str(file)))
    except OSError:
        return InMemoryHistory()


class _KeptHistory(History):
    """A history that is read at once, and written by a thread.

    Args:
        file: Reads and writes the file.
    """

    def __init__(self, file: FileHistory) -> None:
        super().__init__()
        self._file = file
        self._loaded_strings = list(file.load_history_strings())
        self._loaded = True
        self._lock = threading.Lock()

    def load_history_strings(self) -> Iterable[str]:
        """Return what the file has."""
        return self._file.load_history_strings()

    def store_string(self, string: str) -> None:
        """Have it written; what the disk refuses is only in memory."""
        asyncio.get_running_loop().run_in_executor(None, self._store, string)

    def _store(self, string: str) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._file.store_string(string)


class HistoryBuffer(Buffer):
    """prompt_toolkit's buffer, in which the arrow keys find the history at once.

    That one fills it after the next drawing: an arrow key that comes before would do nothing.
    """

    def load_history_if_not_yet_loaded(self) -> None:
        """Do nothing: `reset` has done it."""

    def reset(self, document: Document | None = None, append_to_history: bool = False) -> None:  # noqa: FBT001, FBT002 - as there
        """Begin another line."""
        super().reset(document, append_to_history)
        strings = self.history.get_strings()
        self._working_lines.extendleft(reversed(strings))
        self.working_index = len(strings)
        self.cursor_position = document.cursor_position if document is not None else 0

    def bring_back(self, words: str) -> None:
        """Have words be the last ones of the history; what stands in the line stays."""
        if self.history.get_strings()[-1:] != [words]:
            self.history.append_string(words)
            self.reset(self.document)
