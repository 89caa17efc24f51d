"""The subreaper: adopts the orphans of its children, daemons too, and reaps them.

As a "subreaper" (Linux) a process becomes the parent of each process below it that has lost its
own, and so finds them by descent. It must then also reap those that have ended, or zombies collect;
but a child of the user's is the user's to wait for. So a thread reads the process table once a
second, while there are children. It reaps only those that it has seen under another parent, each by
its pid. One that comes and goes between two reads stays a zombie until the process ends.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import Final

from supervisor._process import adoption, process_table
from supervisor._process.children import ChildProcesses
from supervisor._reports import log_events
from supervisor._reports.log import reporter

_SECONDS: Final = 1.0  # between two reads of the process table


class Subreaper:
    """Adopts and reaps orphans, from `begin` to `end`.

    Args:
        children: The descendants that are known; each `reap` adds to them.
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
            reporter.event(log_events.NO_SUBREAPER, line=line)
            return
        threading.Thread(target=self._run, name="supervisor-adoption", daemon=True).start()

    def end(self) -> None:
        """Stop being the subreaper; those that were adopted stay."""
        self._ended.set()
        if self._is_ours:
            adoption.adopt_orphans(on=False)

    def _run(self) -> None:
        while not self._ended.wait(_SECONDS):
            with contextlib.suppress(OSError):  # too many open files: the next time
                self.reap()

    def reap(self) -> None:
        """Note each process's parent, and reap orphans that have ended."""
        if not process_table.has_children() or sys.platform == "win32":
            return
        table = process_table.read()
        self._children.scan_table(table)
        us = os.getpid()
        self._elsewhere = {row.ident for row in table.values() if row.ident in self._elsewhere} | {
            row.ident for row in self._children.descendants.present(table) if row.parent != us
        }
        for row in table.values():
            if row.parent == us and row.is_ended and row.ident in self._elsewhere:
                with contextlib.suppress(ChildProcessError):  # somebody waits for every child
                    os.waitpid(row.pid, os.WNOHANG)
