"""What is said of a process to a person and to a log: its pid, its name, its command line."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import Final

from supervisor._process import process_table
from supervisor._process.process_table import Row

_MOST: Final = 100
"""Characters of a command line in a report."""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A process as it was when it was looked at."""

    pid: int
    name: str
    command: str
    """The command line, cut short; empty where it could not be read."""

    def __str__(self) -> str:
        return f"{self.pid} {self.command or self.name}"


def describe(row: Row) -> ProcessInfo:
    """Return what is said of a process; to be called before it is killed."""
    try:
        words = process_table.command_of(row.pid)
    except OSError:  # too many open files
        words = []
    command = shlex.join(words)
    if len(command) > _MOST:
        command = command[: _MOST - 1] + "…"
    return ProcessInfo(row.pid, os.path.basename(words[0]) if words else "?", command)  # noqa: PTH119
