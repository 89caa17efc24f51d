"""A chat in a process of its own, and somebody at its terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

from tests.cli.terminal import PATIENCE, Terminal
from tests.process.harness import Child, Server

PROMPT, QUEUE, ANSWER = ">", "queue>", "answer>"
RESUME: Final = "Resume with: autogen-supervisor chat"
LOOPS: Final = ("asyncio", "uvloop")
APART: Final = 0.35  # seconds: two presses that are closer are one


class Chat(Terminal):
    """A chat, at whose prompt somebody sits.

    Args:
        columns: The width of the terminal.
        rows: Its height.
    """

    child: Child

    def say(self, words: str) -> None:
        """Enter a line."""
        self.press(f"{words}\r")

    def has_ended(self) -> int:
        """Wait for its end; return the exit code, or minus the signal that it died by."""
        status = None
        while status is None:
            self.read(0.05)  # else it could wait for us to read
            status = self.child.wait() if self.child.has_ended(0.0) else None
        self.read_all()
        return status

    def wait_for_modes(self, modes: list[Any]) -> None:
        """Wait until the terminal's modes are these."""
        deadline = time.monotonic() + PATIENCE
        while self.modes() != modes:
            assert time.monotonic() < deadline, f"the terminal's modes are {self.modes()}"
            self.read(0.01)
        self.read_all()

    def pause(self, seconds: float) -> None:
        """See what comes for so long; where two presses would be taken for one."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)


@contextlib.contextmanager
def chat(
    server: Server,
    tmp_path: Path,
    team: str,
    *words: str,
    columns: int = 80,
    rows: int = 24,
    environ: dict[str, str] | None = None,
) -> Generator[Chat]:
    """Start a chat with a team of `teams.py`; kill it on the way out.

    Args:
        server: Forks it.
        tmp_path: Where it keeps its state.
        team: The name of a function there.
        words: More words for its command line.
        columns: The width of the terminal.
        rows: Its height.
        environ: More variables of its environment.
    """
    environ = {"TERM": "xterm-256color", "XDG_STATE_HOME": str(tmp_path), **(environ or {})}
    with Chat(columns=columns, rows=rows) as terminal:
        theirs = terminal.theirs
        with server.start(
            "command_line",
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            words=["chat", f"tests.cli.teams:{team}", *words],
            environ=environ,
        ) as child:
            terminal.child = child
            yield terminal
