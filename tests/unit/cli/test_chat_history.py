"""The history of what was typed, in a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from supervisor._cli.chat.terminal.history import history_in


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


def test_a_history_without_a_file_is_kept_in_memory() -> None:
    """Where no file can be made, the chat has its own history."""
    history = history_in(Path("/proc/none/history"))
    history.append_string("one")
    assert history.get_strings() == ["one"]
