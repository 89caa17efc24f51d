"""Adoption: the kernel gives this process the orphans of its children, daemons too.

As a "subreaper" (Linux) a process is the parent of whoever below it has lost its own, and so finds
them by descent. It must then also wait for those that have ended, or zombies collect; but a child
of the user's is the user's to wait for. So a thread looks at the process table once a second, while
there are children, and waits for those alone that it has seen under another parent, each by its
pid. One that comes and goes between two looks stays a zombie until the process ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from typing import Final

from supervisor._process import adoption, process_table
from supervisor._process.children import ChildProcesses
from supervisor._reports.log import reporter

_SECONDS: Final = 1.0  # between two looks


class Subreaper:
    """Looks after the orphans, from `begin` to `end`.

    Args:
        children: Who is known; each look of ours adds to it.
    """

    def __init__(self, children: ChildProcesses) -> None:
        self._children = children
        self._elsewhere: set[tuple[int, float]] = set()
        self._ended = threading.Event()
        self._is_ours = False

    def begin(self) -> None:
        """Become the subreaper, and start the thread."""
        self._is_ours = not adoption.adopts_orphans()
        if not adoption.adopt_orphans():
            why = "this system gives a process no orphans (it is no Linux, or an old one)"
            line = f"supervisor: daemons are left running: {why}"
            reporter.event("no subreaper", level=logging.WARNING, line=line)
            return
        threading.Thread(target=self._look_after, name="supervisor-adoption", daemon=True).start()

    def end(self) -> None:
        """Be none any more; whoever was adopted stays."""
        self._ended.set()
        if self._is_ours:
            adoption.adopt_orphans(on=False)

    def _look_after(self) -> None:
        while not self._ended.wait(_SECONDS):
            with contextlib.suppress(OSError):  # too many open files: the next time
                self.reap()

    def reap(self) -> None:
        """See who is whose, and wait for orphans that have ended."""
        if not process_table.has_children() or sys.platform == "win32":
            return
        rows = process_table.read()
        self._children.scan_table(rows)
        us = os.getpid()
        self._elsewhere = {row.ident for row in rows.values() if row.ident in self._elsewhere} | {
            row.ident for row in self._children.descendants.present(rows) if row.parent != us
        }
        for row in rows.values():
            if row.parent == us and row.is_ended and row.ident in self._elsewhere:
                with contextlib.suppress(ChildProcessError):  # somebody waits for every child
                    os.waitpid(row.pid, os.WNOHANG)
