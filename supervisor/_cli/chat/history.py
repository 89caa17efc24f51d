"""What was typed before, in a file of the user's state directory that nobody else can read."""

from __future__ import annotations

from pathlib import Path

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
