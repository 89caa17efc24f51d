"""The processes that this one has started since a moment, and theirs: to be ended with it.

What a run started (a code executor's interpreter, a tool server, `subprocess` in a tool) outlives a
process that ends, as an orphan. `descendants` says which processes those are. This module finds
them, asks them to end, and kills them.

Nothing is waited for with `waitpid`, as psutil's own `wait` does: that would take the exit status
from asyncio, or from the `Popen` that waits for it. A pidfd tells the end and leaves the status.
A process that has ended and is not waited for yet, a zombie, counts as gone.

Not chosen: an environment variable as a mark (it would find every one, and every child of the
user's would carry it); a group of its own for each child (Ctrl-C in the terminal would not reach
it, and the call that starts it is not ours); polling the process table while the program runs.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from supervisor._process import process_table
from supervisor._process.descendants import Descendants
from supervisor._process.process_table import Row, Table, has_children

if TYPE_CHECKING:
    from supervisor._process.process_table import Ident

if sys.platform != "win32":
    import resource

_MOST: Final = 100
"""Characters of a command line in a report."""

_PATIENCE_SECONDS: Final = 1.0
"""Between SIGTERM and SIGKILL at most."""

_PAUSE_SECONDS: Final = 0.05
"""Between two looks at who is left, where there are no pidfds."""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A process that did not end when it was told to."""

    pid: int
    name: str
    command: str
    """The command line, cut short; empty where it could not be read."""

    def __str__(self) -> str:
        return f"{self.pid} {self.command or self.name}"


class ChildProcesses:
    """The descendants of this process that were made since now, or some of its children and theirs.

    Its methods may be called from any thread, at once from several, and from a signal handler. The
    process table is read only where there are children, or were.

    Args:
        roots: The pids of children that are there now; None for all that come from now on.
        is_program: Whether the process is a program of its own, so that its own group and session
            tell of its descendants, too.
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
        self._descendants = self._made(roots, takes_daemons=takes_daemons)
        self.has_found_any = False
        """Whether a look has ever found any."""
        self._scan_lock = threading.RLock()  # a signal handler may come back to it
        self._ending_lock = threading.Lock()
        self._terminated: frozenset[Ident] = frozenset()
        self._thread: threading.Thread | None = None
        self._is_ending = False

    def _made(self, roots: Collection[int] | None, *, takes_daemons: bool) -> Descendants:
        began = process_table.now() if self._is_program else None
        found = _children()
        if roots is not None:
            return Descendants(None, known=[row for row in found if row.pid in roots])
        helpers = frozenset(_helpers())
        spared = [row.ident for row in found if row.pid not in helpers]
        return Descendants(os.getpid(), spared=spared, began=began, takes_daemons=takes_daemons)

    @property
    def is_ending(self) -> bool:
        """Whether `end_in_background` was called and is not over."""
        return self._is_ending

    @property
    def descendants(self) -> Descendants:
        """What is known of them."""
        return self._descendants

    def may_exist(self) -> bool:
        """Whether there can be any; costs two system calls. There are none in a forked child."""
        if self._pid != os.getpid():
            return False
        if self._descendants.known:
            return True
        if self._descendants.root is None:
            return False
        if has_children():
            return True
        return self._is_program and (_reaped() != self._reaped or _reaps_itself())

    def scan(self) -> list[Row]:
        """Find those there are; one that was found stays known when its parent ends.

        Returns:
            Those alive, no zombies. Where the table cannot be read (too many open files), of those
            that were found before: a stop goes its way all the same.
        """
        return self._scan()[1]

    def _scan(self) -> tuple[Table, list[Row]]:
        if not self.may_exist():
            return Table(0.0), []
        try:
            rows = process_table.read()
            return rows, self.scan_table(rows)
        except Exception:  # noqa: BLE001 - of psutil's too, and of its import
            return Table(0.0), list(self._descendants.known.values())

    def scan_table(self, rows: Table) -> list[Row]:
        """Do what `scan` does with a table that was read."""
        with self._scan_lock:
            found = self._descendants.update(rows, self.helpers())
        self.has_found_any = self.has_found_any or bool(found)
        return found

    def helpers(self) -> frozenset[int]:
        """The pids of multiprocessing's helpers."""
        return frozenset(_helpers())

    def daemons(self) -> list[ProcessInfo]:
        """Tell of those that have made daemons of themselves, and are left alone."""
        if not self._is_program or self._descendants.takes_daemons or not self.may_exist():
            return []
        try:
            rows = process_table.read()
            found = self._descendants.strays(rows, self.helpers())
            return [_describe(row) for row in found if _has_our_environment(row)]
        except Exception:  # noqa: BLE001 - as above
            return []

    def describe(self, most: int) -> tuple[list[ProcessInfo], int]:
        """Tell of some of those that were found so far and are alive, and how many they are."""
        alive = [row for row in list(self._descendants.known.values()) if _is_alive(row)]
        return [_describe(row) for row in itertools.islice(alive, most)], len(alive)

    def terminate(self) -> list[Row]:
        """Tell all to end, and those that are stopped to go on; does not wait.

        Returns:
            Those there are, whether told now or before.
        """
        rows, found = self._scan()
        new = [row for row in found if row.ident not in self._terminated]
        self._terminated |= {row.ident for row in new}  # some take a second one for haste
        self._send(signal.SIGTERM, new, rows)
        if sys.platform != "win32":
            self._send(signal.SIGCONT, new, rows)
        return found

    def kill(self) -> list[ProcessInfo]:
        """Kill those that are left, and those that have come meanwhile; does not wait.

        Returns:
            Who was alive until now.
        """
        return list(self._kill().values())

    def _kill(self) -> dict[Row, ProcessInfo]:
        number = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
        victims: dict[Row, ProcessInfo] = {}
        for _ in range(2):  # some may be started while we look
            rows, found = self._scan()
            known = {row.ident for row in victims}
            new = [row for row in found if row.ident not in known]
            # Command lines first: a killed process has none.
            victims |= {row: _describe(row) for row in new}
            self._send(number, new, rows)
        return victims

    def end(self, seconds: float) -> list[ProcessInfo]:
        """Tell all to end, and kill after half of the seconds who has not; blocks.

        Args:
            seconds: How long it takes at most; a quiet process table aside. The kill comes after
                one second at the latest.

        Returns:
            Who had to be killed.
        """
        began = time.monotonic()
        patience = min(seconds / 2, _PATIENCE_SECONDS)
        found = self.terminate()
        if not found:
            return []
        _wait(found, began + patience)
        killed = self._kill()
        _wait(list(killed), began + 2 * patience)
        return list(killed.values())

    def finish_ending(self, seconds: float) -> list[ProcessInfo]:
        """Do what `end` does, after what `end_in_background` may have begun."""
        self._ending_lock.acquire(blocking=False)  # none is to begin from here on
        began = time.monotonic()
        if self._thread is not None:
            self._thread.join(min(seconds, 2 * _PATIENCE_SECONDS))
        return self.end(max(0.0, seconds - (time.monotonic() - began)))

    def end_in_background(
        self, seconds: float, on_over: Callable[[Sequence[ProcessInfo]], object]
    ) -> None:
        """Do what `end` does in a thread of its own; only the first call does anything.

        Args:
            seconds: As for `end`.
            on_over: Called in that thread with those who had to be killed.
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
        except RuntimeError:  # no more threads: who is left is killed at EXIT
            self._is_ending = False

    def _end(self, seconds: float, on_over: Callable[[Sequence[ProcessInfo]], object]) -> None:
        killed: Sequence[ProcessInfo] = ()
        try:
            killed = self.end(seconds)
        finally:
            self._is_ending = False  # before anybody looks again
            on_over(killed)

    # -- telling --------------------------------------------------------------------------------

    def _send(self, number: int, found: Collection[Row], rows: Table) -> None:
        """Send each a signal, once: a group at one stroke, so that none can fork away from it."""
        done: set[int] = set()
        for row in found:
            with contextlib.suppress(OSError):  # too many open files; ended; another user's by now
                if row.group in done:
                    continue
                if self._may_send_to(row.group, rows) and process_table.is_there(row):
                    done.add(row.group)
                    os.killpg(row.group, number)
                else:
                    process_table.send(row, number)

    def _may_send_to(self, group: int, rows: Table) -> bool:
        if group not in self._descendants.led or group in (os.getpgrp(), os.getpid()):
            return False
        spared = self._descendants.spared
        return not any(row.group == group and row.ident in spared for row in rows.values())


def _children() -> list[Row]:
    if not has_children():
        return []
    return [row for row in process_table.read().values() if row.parent == os.getpid()]


def _reaped() -> object:
    """Something that is another one after a child was waited for."""
    return None if sys.platform == "win32" else resource.getrusage(resource.RUSAGE_CHILDREN)


def _reaps_itself() -> bool:
    """Whether children that end are waited for by the kernel, which leaves no trace of them."""
    return sys.platform != "win32" and signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN


def _helpers() -> Iterator[int]:
    """The pids of multiprocessing's helpers, by its private names; none where they have gone."""
    for module, holder, pid in _HELPERS:
        found = getattr(getattr(sys.modules.get(module), holder, None), pid, None)
        if isinstance(found, int):
            yield found


_HELPERS: Final = (
    ("multiprocessing.resource_tracker", "_resource_tracker", "_pid"),
    ("multiprocessing.forkserver", "_forkserver", "_forkserver_pid"),
)


def _has_our_environment(row: Row) -> bool:
    """Whether a process was started with all that stands in our environment: as ours would be."""
    ours, theirs = process_table.environment_of(os.getpid()), process_table.environment_of(row.pid)
    return bool(ours) and ours <= theirs


def _is_alive(row: Row) -> bool:
    try:
        return process_table.is_there(row)
    except OSError:  # too many open files
        return True


def _describe(row: Row) -> ProcessInfo:
    try:
        words = process_table.command_of(row.pid)
    except OSError:  # too many open files
        words = []
    command = shlex.join(words)
    if len(command) > _MOST:
        command = command[: _MOST - 1] + "…"
    return ProcessInfo(row.pid, os.path.basename(words[0]) if words else "?", command)  # noqa: PTH119


# -- waiting ------------------------------------------------------------------------------------


def _wait(rows: Collection[Row], deadline: float) -> None:
    """Wait until they have ended, and reap none."""
    if sys.platform != "linux":
        _poll(rows, deadline)
        return
    with contextlib.ExitStack() as opened:
        try:
            waiting = {fd for row in rows if (fd := _pidfd(row, opened)) is not None}
        except OSError:  # an old kernel; too many open files
            _poll(rows, deadline)
            return
        poller = select.poll()
        for fd in waiting:
            poller.register(fd, select.POLLIN)
        while waiting and (left := deadline - time.monotonic()) > 0:
            for fd, _ in poller.poll(left * 1000):
                poller.unregister(fd)
                waiting.discard(fd)


def _pidfd(row: Row, opened: contextlib.ExitStack) -> int | None:
    fd = process_table.opened(row)
    if fd is not None:
        opened.callback(os.close, fd)
    return fd


def _poll(rows: Collection[Row], deadline: float) -> None:
    while any(map(_is_alive, rows)) and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, _PAUSE_SECONDS))
