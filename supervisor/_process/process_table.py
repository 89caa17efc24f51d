"""The process table at one moment, and a signal for exactly one process of it.

On Linux it is read from /proc, one small file for each process. Elsewhere psutil reads it. On Linux
psutil would have to be imported by a process that is being stopped, and by the two small ones
beside it (`guard_main`, `final_sweep`). For these, this module imports next to nothing.

A process is identified by its pid and its start time: the pid alone may be another's by now. In a
PID namespace that has the /proc of another one (`unshare --pid` by itself) the table is empty, as
the pids there belong to strangers.
"""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    Ident = tuple[int, float]

if sys.platform == "win32":
    KILL, _TICKS = signal.SIGTERM, 100
else:
    KILL, _TICKS = signal.SIGKILL, os.sysconf("SC_CLK_TCK")


class Row:
    """A process as the table has it.

    Args:
        pid: Its number.
        parent: The number of its parent; 0 where it has none.
        group: Its process group; 0 where there are none.
        session: Its session; 0 where there are none.
        start: When it was started, by `now`.
        is_ended: Whether it is a zombie: it has ended, and nobody has waited for it yet.
    """

    __slots__ = ("group", "is_ended", "parent", "pid", "session", "start")

    def __init__(
        self, pid: int, parent: int, group: int, session: int, start: float, *, is_ended: bool
    ) -> None:
        self.pid, self.parent, self.group, self.session = pid, parent, group, session
        self.start, self.is_ended = start, is_ended

    def __repr__(self) -> str:
        what = " ended" if self.is_ended else ""
        return f"<Row {self.pid} of {self.parent}, group {self.group}/{self.session}{what}>"

    @property
    def ident(self) -> Ident:
        """What distinguishes it from every other process, also from a later one with its pid."""
        return self.pid, self.start


class Table(dict[int, Row]):
    """The processes by their pids.

    Args:
        at: When it was read, by `now`: a process that had started before and is missing has ended.
        rows: The processes.
    """

    def __init__(self, at: float, rows: Iterable[Row] = ()) -> None:
        super().__init__((row.pid, row) for row in rows)
        self.at = at


def now() -> float:
    """Return the time in which `Row.start` counts; no later process has an earlier start."""
    if sys.platform != "linux":
        return time.time()
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS)


def read() -> Table:
    """Read the table; it is empty where it is not that of our own PID namespace.

    Raises:
        OSError: It cannot be read, as with too many open files.
    """
    if sys.platform != "linux":
        return _read_by_psutil()
    at = now()
    if not is_own():
        return Table(at)
    rows = (_row(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - as below
    return Table(at, (row for row in rows if row is not None))


def row_of(pid: int) -> Row | None:
    """Return one process; None where there is none."""
    if sys.platform != "linux":
        return _read_by_psutil().get(pid)
    return _row(str(pid)) if is_own() else None


def is_own() -> bool:
    """Return whether /proc shows our pids, and not those of a PID namespace around this one."""
    if sys.platform != "linux":
        return True
    try:
        return os.readlink("/proc/self") == str(os.getpid())  # noqa: PTH115
    except OSError:
        return False


def has_children() -> bool:
    """Return whether this process has any child, zombies counted; costs one system call."""
    if sys.platform == "win32":
        return True
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # WNOWAIT: reaps nothing
    except ChildProcessError:
        return False
    return True


def command_of(pid: int) -> list[str]:
    """Return a command line; the process's name if it has none, nothing if it has ended."""
    if sys.platform != "linux":
        return _command_by_psutil(pid)
    words = _content(f"/proc/{pid}/cmdline").decode(errors="replace").rstrip("\0")
    if words:
        return words.split("\0")
    name = _content(f"/proc/{pid}/comm").decode(errors="replace").strip()
    return [name] if name else []


def environment_of(pid: int) -> frozenset[bytes]:
    """Return the variables a process was started with, without those a shell sets; Linux only."""
    if sys.platform != "linux":
        return frozenset()
    words = _content(f"/proc/{pid}/environ").split(b"\0")
    return frozenset(word for word in words if word and word.partition(b"=")[0] not in _VOLATILE)


_VOLATILE: Final = frozenset([b"SHLVL", b"PWD", b"OLDPWD", b"_"])


def open_pidfd(row: Row) -> int | None:
    """Open a pidfd for a process, and for no other one; None where it has ended.

    Raises:
        OSError: There are none (not Linux, or an old one); too many open files.
    """
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        raise OSError("no pidfds")
    try:
        fd = os.pidfd_open(row.pid)
    except ProcessLookupError:
        return None
    found = _row(str(row.pid))  # read after: so the pidfd is of this one, not of a later one
    if found is not None and found.ident == row.ident:
        return fd
    os.close(fd)
    return None


def send(row: Row, number: int) -> None:
    """Signal a process, if it is still there."""
    try:
        fd = open_pidfd(row)
    except OSError:
        _send_by_pid(row, number)
        return
    if fd is not None and sys.platform == "linux":
        try:
            signal.pidfd_send_signal(fd, number)
        except OSError:  # it has ended meanwhile, or is another user's by now
            return
        finally:
            os.close(fd)


def _send_by_pid(row: Row, number: int) -> None:
    try:
        if is_there(row):
            os.kill(row.pid, number)
    except OSError:  # as above
        return


def is_there(row: Row) -> bool:
    """Return whether a process has not ended; a zombie has.

    Raises:
        OSError: Too many open files.
    """
    found = row_of(row.pid)
    return found is not None and found.ident == row.ident and not found.is_ended


def _row(pid: str) -> Row | None:
    fields = _content(f"/proc/{pid}/stat").rpartition(b")")[2].split()  # its name may hold anything
    if not fields:
        return None
    parent, group, session = map(int, fields[1:4])
    start, is_ended = int(fields[19]), fields[0] in _ENDED
    return Row(int(pid), parent, group, session, start, is_ended=is_ended)


_ENDED: Final = (b"Z", b"X", b"x")


def _content(path: str) -> bytes:
    """Return a file of /proc; nothing where the process has ended, or is hidden from us.

    Raises:
        OSError: Too many open files.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
    try:
        return os.read(fd, 65536)
    except OSError:
        return b""
    finally:
        os.close(fd)


# -- other systems than Linux -----------------------------------------------------------------


def _read_by_psutil() -> Table:
    import psutil

    found = Table(now())
    for process in psutil.process_iter(["ppid", "create_time", "status"]):
        facts = process.info
        if facts["create_time"] is None:
            continue
        group, session = _group_and_session(process.pid)
        is_ended = facts["status"] in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        start = float(facts["create_time"])
        found[process.pid] = Row(
            process.pid, facts["ppid"] or 0, group, session, start, is_ended=is_ended
        )
    return found


def _group_and_session(pid: int) -> tuple[int, int]:
    if sys.platform == "win32":
        return 0, 0
    try:
        return os.getpgid(pid), os.getsid(pid)
    except OSError:
        return 0, 0


def _command_by_psutil(pid: int) -> list[str]:
    import psutil

    try:
        process = psutil.Process(pid)
        return process.cmdline() or [process.name()]
    except (OSError, psutil.Error):
        return []


def by_parent(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """Return the children of each process, by its pid."""
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row.parent, []).append(row)
    return found
