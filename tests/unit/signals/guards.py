"""Finds guards in the process table."""

from __future__ import annotations

import psutil

from supervisor._signals.guard import SCRIPT


def guards_of(pid: int) -> list[psutil.Process]:
    """Return the guards of a process: none of its children, so looked for among all."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline"]):
        words: list[str] = process.info["cmdline"] or []
        if SCRIPT in words and words[-1] == str(pid):
            found.append(process)
    return found
