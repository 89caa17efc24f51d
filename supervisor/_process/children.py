"""The child processes that a stop ends: those started since a moment, and theirs.

What a run started (a code executor's interpreter, a tool server, `subprocess` in a tool) outlives a
process that ends, as an orphan. `descendants` knows which processes those are. This module scans
the process table for them, asks them to end, and kills them.

Nothing here takes an exit status that somebody else waits for (see `waiting`).

Not chosen: an environment variable as a mark (it would find every one, and every child of the
user's would carry it); a process group for each child (Ctrl-C in the terminal would not reach it,
and the call that starts it is not ours); polling the process table while the program runs.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from supervisor._process import process_table
from supervisor._process.descendants import Descendants
from supervisor._process.process_info import ProcessInfo, describe
from supervisor._process.process_table import Row, Table, has_children
from supervisor._process.waiting import is_alive, until_ended

if TYPE_CHECKING:
    from supervisor._process.process_table import Ident

_TERMINATE_SECONDS: Final = 1.0
"""The longest time between SIGTERM and SIGKILL."""


class ChildProcesses:
    """The descendants of this process that are started from now on, or some children and theirs.

    Its methods may be called from any thread, at once from several, and from a signal handler. The
    process table is read only where there are children, or were.

    Args:
        roots: The pids of children that are there now; None for all that come from now on.
        is_program: Whether the process is a program of its own, so that its own group and session
            show its descendants, too.
        takes_daemons: Whether a daemon belongs to it as well.
    """

    def __init__(
        self,
        roots: Collection[int] | None = None,
        *,
        is_program: bool = False,
        takes_daemons: bool = False,
    ) -> None:
        self._pid = os.getpid()
        self._is_program = is_program
        self._reaped = _reaped()
        self.descendants: Final = self._begin(roots, takes_daemons=takes_daemons)
        """What is known of them."""
        self.has_found_any = False
        """Whether a scan has ever found any."""
        self._scan_lock = threading.RLock()  # a signal handler may come back to it
        self._ending_lock = threading.Lock()  # held for good, once the ending has begun
        self._terminated: frozenset[Ident] = frozenset()
        self._thread: threading.Thread | None = None
        self._is_ending = False

    def _begin(self, roots: Collection[int] | None, *, takes_daemons: bool) -> Descendants:
        began = process_table.now() if self._is_program else None
        found = _children()
        if roots is not None:
            return Descendants(None, known=[row for row in found if row.pid in roots])
        helpers = self.helpers()
        spared = [row.ident for row in found if row.pid not in helpers]
        return Descendants(os.getpid(), spared=spared, began=began, takes_daemons=takes_daemons)

    # -- finding them ---------------------------------------------------------------------------

    def may_exist(self) -> bool:
        """Return whether there can be any; costs two system calls. A forked child has none."""
        if self._pid != os.getpid():
            return False
        if self.descendants.known:
            return True
        if self.descendants.root is None:
            return False
        if has_children():
            return True
        return self._is_program and (_reaped() != self._reaped or _reaps_by_kernel())

    def scan(self) -> list[Row]:
        """Find those there are; one that was found stays known when its parent ends.

        Returns:
            Those alive, no zombies. Where the table cannot be read (too many open files), those of
            them that were found before: a stop goes on all the same.
        """
        return self._scan()[1]

    def _scan(self) -> tuple[Table, list[Row]]:
        if not self.may_exist():
            return Table(0.0), []
        try:
            table = process_table.read()
            return table, self.scan_table(table)
        except Exception:  # noqa: BLE001 - of psutil's too, and of its import
            return Table(0.0), list(self.descendants.known.values())

    def scan_table(self, table: Table) -> list[Row]:
        """Do what `scan` does, with a table that was read."""
        with self._scan_lock:
            found = self.descendants.update(table, self.helpers())
        self.has_found_any = self.has_found_any or bool(found)
        return found

    def helpers(self) -> frozenset[int]:
        """Return the pids of multiprocessing's helpers."""
        return frozenset(_helpers())

    def daemons(self) -> list[ProcessInfo]:
        """Return those that have made daemons of themselves, and are left alone."""
        if not self._is_program or self.descendants.takes_daemons or not self.may_exist():
            return []
        try:
            found = self.descendants.strays(process_table.read(), self.helpers())
            return [describe(row) for row in found if _has_our_environment(row)]
        except Exception:  # noqa: BLE001 - as above
            return []

    def describe(self, most: int) -> tuple[list[ProcessInfo], int]:
        """Return some of those that were found so far and are alive, and how many they are."""
        alive = [row for row in list(self.descendants.known.values()) if is_alive(row)]
        return [describe(row) for row in itertools.islice(alive, most)], len(alive)

    # -- ending them ----------------------------------------------------------------------------

    def terminate(self) -> list[Row]:
        """Ask all to end, and stopped ones to go on; do not wait.

        Returns:
            Those there are, whether they were asked now or before.
        """
        table, found = self._scan()
        new = [row for row in found if row.ident not in self._terminated]
        self._terminated |= {row.ident for row in new}  # some take a second one for haste
        self._send(signal.SIGTERM, new, table)
        if sys.platform != "win32":
            self._send(signal.SIGCONT, new, table)
        return found

    def kill(self) -> list[ProcessInfo]:
        """Kill those that are left, and those that have come meanwhile; do not wait.

        Returns:
            Those that were alive until now.
        """
        return list(self._kill().values())

    def _kill(self) -> dict[Row, ProcessInfo]:
        number = process_table.KILL
        killed: dict[Row, ProcessInfo] = {}
        for _ in range(2):  # some may be started while we scan
            table, found = self._scan()
            idents = {row.ident for row in killed}
            new = [row for row in found if row.ident not in idents]
            # Command lines first: a killed process has none.
            killed |= {row: describe(row) for row in new}
            self._send(number, new, table)
        return killed

    def end(self, seconds: float) -> list[ProcessInfo]:
        """Terminate all; after half of the seconds kill the rest. Blocks.

        Args:
            seconds: How long it takes at most, the reading of the process table aside. The kill
                comes after one second at the latest.

        Returns:
            Those that had to be killed.
        """
        began = time.monotonic()
        patience = min(seconds / 2, _TERMINATE_SECONDS)
        found = self.terminate()
        if not found:
            return []
        until_ended(found, began + patience)
        killed = self._kill()
        until_ended(list(killed), began + 2 * patience)
        return list(killed.values())

    # -- ending them in a thread ----------------------------------------------------------------

    @property
    def is_ending(self) -> bool:
        """Whether `end_in_background` was called and is not over."""
        return self._is_ending

    def end_in_background(
        self, seconds: float, on_over: Callable[[Sequence[ProcessInfo]], object]
    ) -> None:
        """Do what `end` does, in a thread of its own; only the first call does anything.

        Args:
            seconds: As for `end`.
            on_over: Called in that thread with those that had to be killed.
        """
        if not self.may_exist() or not self._ending_lock.acquire(blocking=False):
            return
        self._is_ending = True
        thread = threading.Thread(
            target=self._end, args=(seconds, on_over), name="supervisor-processes", daemon=True
        )
        try:
            thread.start()
            self._thread = thread
        except RuntimeError:  # no more threads: those that are left are killed at EXIT
            self._is_ending = False

    def _end(self, seconds: float, on_over: Callable[[Sequence[ProcessInfo]], object]) -> None:
        killed: Sequence[ProcessInfo] = ()
        try:
            killed = self.end(seconds)
        finally:
            self._is_ending = False  # before anybody looks again
            on_over(killed)

    def finish_ending(self, seconds: float) -> list[ProcessInfo]:
        """Wait for what `end_in_background` has begun, if anything, and `end` those that are left.

        Nothing begins in the background from here on.
        """
        self._ending_lock.acquire(blocking=False)
        began = time.monotonic()
        if self._thread is not None:
            self._thread.join(min(seconds, 2 * _TERMINATE_SECONDS))
        return self.end(max(0.0, seconds - (time.monotonic() - began)))

    # -- sending signals ------------------------------------------------------------------------

    def _send(self, number: int, rows: Collection[Row], table: Table) -> None:
        """Send each a signal, once: a group at one stroke, so that none can fork away from it."""
        done: set[int] = set()
        for row in rows:
            with contextlib.suppress(OSError):  # too many open files; ended; another user's by now
                if row.group in done:
                    continue
                may_send = self._may_send_to_group(row.group, table)
                if sys.platform != "win32" and may_send and process_table.is_there(row):
                    done.add(row.group)
                    os.killpg(row.group, number)
                else:
                    process_table.send(row, number)

    def _may_send_to_group(self, group: int, table: Table) -> bool:
        if sys.platform == "win32":
            return False
        if group not in self.descendants.led or group in (os.getpgrp(), os.getpid()):
            return False
        spared = self.descendants.spared
        return not any(row.group == group and row.ident in spared for row in table.values())


def _children() -> list[Row]:
    if not has_children():
        return []
    return [row for row in process_table.read().values() if row.parent == os.getpid()]


def _reaped() -> object:
    """Return something that changes each time a child is waited for."""
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN)


def _reaps_by_kernel() -> bool:
    """Return whether the kernel waits for children that end, which leaves no trace of them."""
    return sys.platform != "win32" and signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN


def _helpers() -> Iterator[int]:
    """Yield the pids of multiprocessing's helpers, by private names, which may be gone one day."""
    for module, holder, pid in _HELPERS:
        found = getattr(getattr(sys.modules.get(module), holder, None), pid, None)
        if isinstance(found, int):
            yield found


_HELPERS: Final = (
    ("multiprocessing.resource_tracker", "_resource_tracker", "_pid"),
    ("multiprocessing.forkserver", "_forkserver", "_forkserver_pid"),
)


def _has_our_environment(row: Row) -> bool:
    """Return whether a process was started with all of our environment, as our children are."""
    ours, theirs = process_table.environment_of(os.getpid()), process_table.environment_of(row.pid)
    return bool(ours) and ours <= theirs
