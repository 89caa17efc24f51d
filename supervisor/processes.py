"""The processes that this one has started since a moment, and theirs: to be ended with it.

What a run started (a code executor's interpreter, a tool server, `subprocess` in a tool) outlives a
process that is ended by force, as an orphan. Who they are is told by descent, and where one leads a
process group or a session of its own, by that too: its members are found also after the one that
started them has ended. psutil reads the process table. A process is never told by its pid alone,
which may be another's by now, but by pid and start time.

Left alone are

- this process, its own group as a group, PID 1;
- what was there at that moment, and all that it starts: a pool or a database of the host's;
- multiprocessing's helpers: its resource tracker cleans up behind those that were killed. Whom its
  fork server starts is ended like a child.

Nothing is waited for with `waitpid`, as psutil's own `wait` does: that would take the exit status
from asyncio, or from the `Popen` that waits for it. A pidfd tells the end and leaves the status.
A process that has ended and is not waited for yet, a zombie, counts as gone.

Not chosen: an environment variable as a mark (it would find every one, and every child of the
user's would carry it); a group of its own for each child (Ctrl-C in the terminal would not reach
it, and the call that starts it is not ours); polling the process table while the program runs.

Where it falls short: one that has left its group and session, and whose parent had ended before
anybody looked, is not found. The kernel hands it to PID 1, or to a subreaper: where this process is
one it is a child again. In a PID namespace that has the /proc of another one (`unshare --pid` by
itself) nobody is found: the pids there are of strangers.
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
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from psutil import Process

_MOST: Final = 100
"""Characters of a command line in a report."""

_PAUSE_SECONDS: Final = 0.05
"""Between two looks at who is left, where there are no pidfds."""


@dataclass(frozen=True, slots=True)
class Killed:
    """A process that did not end when it was told to."""

    pid: int
    name: str
    command: str
    """The command line, cut short; empty where it could not be read."""

    def __str__(self) -> str:
        return f"{self.pid} {self.command or self.name}"


class Processes:
    """The descendants of this process that were made since now, or some of its children and theirs.

    Its methods may be called from any thread, at once from several, and from a signal handler:
    there is no lock. psutil is loaded only where there are children.

    Args:
        roots: The pids of children that are there now; None for all that come from now on.
    """

    def __init__(self, roots: Collection[int] | None = None) -> None:
        found = frozenset(_children())
        self._is_whole = roots is None
        self._spared: frozenset[Process] = found if roots is None else frozenset()
        self._known = frozenset(child for child in found if roots and child.pid in roots)
        self._led: dict[int, Process] = {}  # groups and sessions, by the pid of who leads them
        self._begun = threading.Lock()
        self._is_ending = False

    @property
    def is_ending(self) -> bool:
        """Whether `begin` was called and is not over."""
        return self._is_ending

    def look(self) -> list[Process]:
        """Find those there are; one that was found stays known when its parent ends.

        Returns:
            Those alive, no zombies. Where the table cannot be read (too many open files), of those
            that were found before: a stop goes its way all the same.
        """
        with contextlib.suppress(Exception):  # of psutil's, and of its import
            self._find()
        return list(self._alive())

    def _find(self) -> None:
        if (not self._known and not has_children()) or not _is_own_table():
            return
        import psutil

        tree = psutil.Process().children(recursive=True)
        roots = {os.getpid()} if self._is_whole else {process.pid for process in self._known}
        self._add(self._reach(roots, tree))
        for orphan in self._alive() - frozenset(tree):
            self._add(self._reach({orphan.pid}, _below(orphan)))
        self._lead()
        for member in self._members():
            self._add([member, *self._reach({member.pid}, _below(member))])

    def known(self, most: int) -> tuple[list[Killed], int]:
        """Tell of some of those that were found so far and are alive, and how many they are."""
        alive = self._alive()
        return [_describe(process) for process in itertools.islice(alive, most)], len(alive)

    def terminate(self) -> list[Process]:
        """Tell all to end, and those that are stopped to go on; does not wait.

        Returns:
            Whom it has told.
        """
        found = self.look()
        self._send(signal.SIGTERM, found)
        if sys.platform != "win32":
            self._send(signal.SIGCONT, found)
        return found

    def kill(self) -> list[Killed]:
        """Kill those that are left, and those that have come meanwhile; does not wait.

        Returns:
            Who was alive until now.
        """
        # Command lines first: a killed process has none.
        victims = {process: _describe(process) for process in self.look()}
        number = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
        self._send(number, victims)
        late = [process for process in self.look() if process not in victims]
        if late:  # started while we looked
            victims |= {process: _describe(process) for process in late}
            self._send(number, late)
        return list(victims.values())

    def end(self, seconds: float) -> list[Killed]:
        """Tell all to end, and kill after half of the seconds who has not; blocks.

        Args:
            seconds: How long it takes at most; a quiet process table aside.

        Returns:
            Who had to be killed.
        """
        began = time.monotonic()
        _wait(self.terminate(), began + seconds / 2)
        killed = self.kill()
        _wait(self._alive(), began + seconds)
        return killed

    def begin(self, seconds: float, on_over: Callable[[Sequence[Killed]], object]) -> None:
        """Do what `end` does in a thread of its own; only the first call does anything.

        Args:
            seconds: As for `end`.
            on_over: Called in that thread with those who had to be killed.
        """
        if not self._known and not has_children():
            return
        if not self._begun.acquire(blocking=False):
            return
        self._is_ending = True
        thread = threading.Thread(
            target=self._end, args=(seconds, on_over), name="supervisor-processes", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads: who is left is killed at EXIT
            self._is_ending = False

    def _end(self, seconds: float, on_over: Callable[[Sequence[Killed]], object]) -> None:
        killed: Sequence[Killed] = ()
        try:
            killed = self.end(seconds)
        finally:
            self._is_ending = False  # before anybody looks again
            on_over(killed)

    # -- finding --------------------------------------------------------------------------------

    def _add(self, found: Iterable[Process]) -> None:
        self._known |= frozenset(found)

    def _alive(self) -> frozenset[Process]:
        return frozenset(process for process in self._known if _is_alive(process))

    def _reach(self, roots: Collection[int], below: Iterable[Process]) -> Iterator[Process]:
        """Those below these pids, but for those that are left alone."""
        children = _by_parent(below)
        helpers = frozenset(_helpers())
        waiting = list(roots)
        while waiting:
            for process in children.pop(waiting.pop(), ()):
                if process.pid in helpers:
                    waiting.append(process.pid)
                elif process not in self._spared:
                    waiting.append(process.pid)
                    yield process

    def _lead(self) -> None:
        """Note which of them lead a group or a session."""
        if sys.platform == "win32":
            return
        for process in self._known:
            with contextlib.suppress(OSError):
                if process.pid not in self._led and os.getpgid(process.pid) == process.pid:
                    self._led[process.pid] = process
        for pid, leader in list(self._led.items()):
            if _is_reused(leader):
                del self._led[pid]

    def _members(self) -> Iterator[Process]:
        """The processes in groups and sessions that one of them leads, or has led."""
        import psutil

        known = {process.pid for process in (*self._known, *self._spared)} | {os.getpid(), 1}
        for pid in psutil.pids() if self._led and sys.platform != "win32" else ():
            with contextlib.suppress(OSError, psutil.Error):
                if pid not in known and {os.getpgid(pid), os.getsid(pid)} & self._led.keys():
                    yield psutil.Process(pid)

    # -- telling --------------------------------------------------------------------------------

    def _send(self, number: int, processes: Collection[Process]) -> None:
        """Send each a signal, once: a group at one stroke, so that none can fork away from it."""
        if not processes:
            return
        import psutil

        done: set[int] = set()
        for process in processes:
            with contextlib.suppress(OSError, psutil.Error):
                group = _group(process)
                if group in done:
                    continue
                if group is not None and self._may_send_to(group) and process.is_running():
                    done.add(group)
                    os.killpg(group, number)
                else:
                    process.send_signal(number)  # psutil looks whether it is still the same

    def _may_send_to(self, group: int) -> bool:
        if group not in self._led or group in (os.getpgrp(), os.getpid()):
            return False
        return not any(_group(process) == group for process in self._spared)


def has_children() -> bool:
    """Whether this process has any child, zombies counted; costs one system call."""
    if sys.platform == "win32":
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # WNOWAIT: reaps nothing
    except ChildProcessError:
        return False
    return True


def _is_own_table() -> bool:
    """Whether /proc tells of our pids, and not of those of a PID namespace around this one."""
    if sys.platform != "linux":
        return True
    try:
        return os.readlink("/proc/self") == str(os.getpid())  # noqa: PTH115 - as the guard has it
    except OSError:
        return False


def _children() -> list[Process]:
    if not has_children() or not _is_own_table():
        return []
    import psutil

    return psutil.Process().children()


def _below(root: Process) -> list[Process]:
    import psutil

    try:
        return root.children(recursive=True)
    except psutil.Error:  # it has ended meanwhile
        return []


def _by_parent(processes: Iterable[Process]) -> dict[int, list[Process]]:
    import psutil

    found: dict[int, list[Process]] = {}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            found.setdefault(process.ppid(), []).append(process)
    return found


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


def _is_alive(process: Process) -> bool:
    import psutil

    try:
        return process.is_running() and process.status() not in _ENDED
    except psutil.NoSuchProcess:
        return False
    except (OSError, psutil.Error):
        return True


_ENDED: Final = ("zombie", "dead")


def _is_reused(process: Process) -> bool:
    """Whether another process has its pid by now."""
    import psutil

    try:
        return psutil.Process(process.pid) != process
    except psutil.NoSuchProcess:
        return False


def _group(process: Process) -> int | None:
    if sys.platform == "win32":
        return None
    try:
        return os.getpgid(process.pid)
    except OSError:
        return None


def _describe(process: Process) -> Killed:
    import psutil

    name = command = ""
    with contextlib.suppress(OSError, psutil.Error):
        name = process.name()
        command = shlex.join(process.cmdline())
    if len(command) > _MOST:
        command = command[: _MOST - 1] + "…"
    return Killed(process.pid, name or "?", command)


# -- waiting ------------------------------------------------------------------------------------


def _wait(processes: Collection[Process], deadline: float) -> None:
    """Wait until they have ended, and reap none."""
    if sys.platform != "linux":
        _poll(processes, deadline)
        return
    with contextlib.ExitStack() as opened:
        poller = select.poll()
        try:
            waiting = {fd for process in processes if (fd := _pidfd(process, opened)) is not None}
        except OSError:  # an old kernel; too many open files
            _poll(processes, deadline)
            return
        for fd in waiting:
            poller.register(fd, select.POLLIN)
        while waiting and (left := deadline - time.monotonic()) > 0:
            for fd, _ in poller.poll(left * 1000):
                poller.unregister(fd)
                waiting.discard(fd)


def _pidfd(process: Process, opened: contextlib.ExitStack) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    opened.callback(os.close, fd)
    return fd if _is_alive(process) else None  # asked after: it is of this one, not of a later one


def _poll(processes: Collection[Process], deadline: float) -> None:
    while any(map(_is_alive, processes)) and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, _PAUSE_SECONDS))
