"""The programs and terminal sessions of a page, carried out in a real shell on a real terminal.

A Python block whose first line is `# name.py` is a file, and so is a block of another kind whose
first line names one. A `console` block is a session, as a reader would have it: a line that begins
with `$` is a command, and `^C` is that key. A line that begins with `#` is a command in a second
terminal, where `kill` names the program by its pid. A line `...` stands for any lines. Everything
else is what the terminal shows. Numbers may differ, the folder is called `/home/you`, and lines of
stdout and stderr may change places.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.docs.fences import blocks_of
from tests.process.commands import bash_at_terminal

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 40.0  # seconds for a line that comes unless something is wrong

_NAMED = re.compile(r"# ([\w.-]+)\n")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_KILL = re.compile(r"# kill (?:-(\w+) )?\d+")


@dataclass(frozen=True)
class Session:
    """One console block, the heading that it stands under, and the files that stand before it."""

    heading: str
    lines: tuple[str, ...]
    files: dict[str, str]


def sessions_of(page: Path) -> list[Session]:
    """Return the console blocks of a page, in order."""
    text = page.read_text()
    found: list[Session] = []
    files: dict[str, str] = {}
    for block in blocks_of(text):
        if block.language == "console":
            before = text.splitlines()[: block.line]
            heading = next(line for line in reversed(before) if line.startswith("##"))
            lines = tuple(block.text.splitlines())
            found.append(Session(heading.strip("# "), lines, dict(files)))
        elif named := _NAMED.match(block.text):
            files[named[1]] = block.text
    return found


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, fd: int, folder: Path) -> None:
        self._fd = fd
        self._folder = str(folder)
        self.output = ""

    def type(self, keys: str) -> None:
        """Type."""
        os.write(self._fd, keys.encode())

    def signal(self, number: int) -> None:
        """Signal the program in the foreground, alone."""
        os.kill(os.tcgetpgrp(self._fd), number)

    def until(self, expected: list[str]) -> None:
        """Wait until all that was shown is what was expected."""
        deadline = time.monotonic() + PATIENCE
        while not _is_as_expected(self.output, expected):
            ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "\n".join(["expected:", *expected, "shown:", self.output])
            shown = os.read(self._fd, 65536).decode(errors="replace").replace("\r\n", "\n")
            self.output = (self.output + shown).replace(self._folder, "/home/you")


@contextlib.contextmanager
def terminal(folder: Path) -> Generator[Terminal]:
    """Open a shell in this folder; all that it has started is killed at the end."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = _environment() | {"PATH": path, "PS1": "$ ", "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    options = ("--noprofile", "--noediting", "-i")
    with bash_at_terminal(*options, env=env, cwd=folder) as (_, ours):
        yield Terminal(ours, folder)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("SUPERVISOR_")}


def play(session: Session, folder: Path) -> str:
    """Carry a session out, and return what the terminal has shown.

    Raises:
        AssertionError: Something else was shown.
    """
    for name, text in session.files.items():
        (folder / name).write_text(text)
    expected: list[str] = []
    with terminal(folder) as shell:
        for line in session.lines:
            if line.startswith("$ "):
                shell.until([*expected, "$ "])
                shell.type(f"{line[2:]}\n")
            elif kill := _KILL.match(line):
                shell.until([*expected, ""])
                shell.signal(signal.Signals[f"SIG{kill[1] or 'TERM'}"])
                continue
            elif line.startswith("^C"):
                shell.until([*expected, ""])
                shell.type("\x03")
            expected.append(line)
        shell.until([*expected, "$ "])
        return shell.output


def _is_as_expected(shown: str, expected: list[str]) -> bool:
    lines = [_NUMBER.sub("0", line) for line in shown.split("\n")]
    wanted = [_NUMBER.sub("0", line) for line in expected]
    if "..." not in wanted:
        return sorted(lines) == sorted(wanted)
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else f"{re.escape(line)}\n" for line in wanted)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None
