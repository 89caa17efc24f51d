"""What was typed before, in a file of the user's state directory that nobody else can read."""

from __future__ import annotations

from pathlib import Path

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory


def history_in(file: Path | None) -> History:
    """Return the history that a file keeps; in memory where there can be no file."""
    if file is None:
        return InMemoryHistory()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        with file.open("ab"):
            pass
    except OSError:
        return InMemoryHistory()
    return _FileHistory(str(file))


class _FileHistory(FileHistory):
    """A file's history; what the disk refuses is kept in memory."""

    def store_string(self, string: str) -> None:
        """Add what was typed."""
        try:
            super().store_string(string)
        except OSError:
            return


class HistoryBuffer(Buffer):
    """prompt_toolkit's buffer, in which the arrow keys find the history at once.

    That one fills it after the next drawing: an arrow key that comes before would do nothing.
    """

    def reset(self, document: Document | None = None, append_to_history: bool = False) -> None:  # noqa: FBT001, FBT002 - as there
        """Begin another line."""
        loading = getattr(self, "_load_history_task", None)
        super().reset(document, append_to_history)
        if loading is None or not loading.done() or loading.cancelled():
            return
        self._load_history_task = loading
        strings = self.history.get_strings()
        self._working_lines.extendleft(reversed(strings))
        self.working_index = len(strings)
        self.cursor_position = document.cursor_position if document is not None else 0

    def bring_back(self, words: str) -> None:
        """Have words be the last ones of the history; what stands in the line stays."""
        if self.history.get_strings()[-1:] != [words]:
            self.history.append_string(words)
            self.reset(self.document)
