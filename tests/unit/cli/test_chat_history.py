"""The history of what was typed, in a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory

from supervisor._cli.chat.terminal.history import HistoryBuffer, history_in


def test_the_next_chat_has_the_history(tmp_path: Path) -> None:
    """What one chat has kept, the next one finds, the newest first; nobody else may read it."""
    file = tmp_path / "state" / "history"

    async def type_lines() -> None:
        for line in ("one", "two\nlines"):
            history.append_string(line)
        await asyncio.get_running_loop().shutdown_default_executor()

    history = history_in(file)
    asyncio.run(type_lines())
    assert list(history_in(file).load_history_strings()) == ["two\nlines", "one"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_words_that_come_back_are_the_last_of_the_history_once() -> None:
    """Who presses the arrow key twice finds what was typed before them, and the line is left."""
    history = InMemoryHistory()
    for words in ("one", "two"):
        history.append_string(words)
    buffer = HistoryBuffer(history=history, document=Document("half a li"))
    for _ in range(2):
        buffer.bring_back("two")
    buffer.bring_back("three")
    assert history.get_strings() == ["one", "two", "three"]
    assert buffer.text == "half a li"


def test_a_history_without_a_file_is_kept_in_memory() -> None:
    """Where no file can be made, the chat has its own history."""
    history = history_in(Path("/proc/none/history"))
    history.append_string("one")
    assert history.get_strings() == ["one"]
