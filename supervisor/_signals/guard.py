"""The guard: the process that ends ours when the interpreter is held, and nothing in it can run.

C code that keeps the interpreter's lock keeps the watchdog from it too. The guard needs no
interpreter but its own: this file, run as a script, in a process that sleeps in `poll()`.

How it knows:

- *A signal*: the C part of our handlers writes to the bridge whether or not the interpreter gets to
  run. The guard looks at the bytes there and never takes one: who reads them is alive. Bytes that
  stay unread for `HELD_SECONDS` mean that the interpreter is held, and count from their arrival,
  each further one too.
- *The time*: how far the stop has gone, and the deadline, are told over a socket at each climb.
- *Our end*: that socket's, and the kernel's word for the process (a pidfd), as a pid may be
  another's by the time it is killed.

What it tells: when each byte came that the process has not read. C code may hold the interpreter,
let go for a moment and take it again. In that moment the process reads the signal, and would count
it from there. So the guard writes down over the same socket when it came, and the process's ladder
counts from then too. Should the process tell of a later deadline all the same, the guard keeps to
its own.

What it must not be: in anybody's way. It is started through a process in between, so that it is no
child of ours (`os.wait()`, a zombie, a test runner's list of children); it has a session of its
own, holds no file of ours open (a pipeline would wait for it) and no directory; it blocks every
signal, for a service manager sends the stop to all processes alike; it does not kill a process that
a debugger looks at.

What it does at the deadline: it has the process's C code write the stacks to stderr, which needs
no interpreter (under `run`, which registers that); says there why; kills the process, and whoever
belongs to it, as `descendants` has it: noted at each step of the stop, for parents end meanwhile.
Spared are those that were there before the guard, and multiprocessing's resource tracker. A
descendant is stopped first, so that it starts no other one, and is told by a pidfd, so that nobody else is hit.

Not chosen: to fork it. A fork keeps every page that we change from then on, so it grows as we do,
and with threads there is none to be had. A fresh interpreter has a few megabytes and 10 ms.

Where it falls short: it cannot kill PID 1 (`run` splits there); without the /proc of its own PID
namespace (macOS, `unshare --pid`) the children of what it kills are left to whoever inherits them;
a stderr that is a socket gets no line; under `strace`, which looks like a debugger, it waits.
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import sys
import time

from supervisor._process import kill_tree, process_table
from supervisor._process.descendants import Descendants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

    from supervisor._core.events import Rung
    from supervisor._process.process_table import Row

HELD_SECONDS: Final = 0.2
"""How long a signal stays unread before the interpreter counts as held."""

RESERVE: Final = 0.3
"""Seconds behind the deadline in which the process may end itself, and write its report."""

STACKS: Final = getattr(signal, "SIGRTMAX", 0) - 2
"""The signal on which the process writes its stacks, if it handles it; negative where none is."""

_STACKS_SECONDS: Final = 0.1  # for them to be written; a full pipe would take for ever
_LOOK_SECONDS: Final = 0.05  # between two looks while something is unread, and only then
_TRACED_SECONDS: Final = 1.0  # between two looks at a process that a debugger holds
_DUPLICATE_SECONDS: Final = 0.3  # of `ladder`
_MISSED: Final = 0x80  # of `bridge`
_OWN: Final = 0x80  # of `bridge`
_MOST_TOLD: Final = 64  # bytes: a line is short, and as many signals say what they say
_NO_PIPE_SIGNAL: Final = getattr(socket, "MSG_NOSIGNAL", 0)
_ORDERS, _BELL = 0, 1  # its fds
_IS_FILE: Final = os.path.isfile(__file__)  # noqa: PTH113 - pathlib is too much for the guard
_ROOT: Final = os.path.abspath(__file__ + "/../../..")  # noqa: PTH100 - pathlib is too much here
_START: Final = (
    "import sys; sys.path.append(sys.argv[1]); from supervisor._signals import guard; guard.main()"
)


class GuardState:
    """What the guard has to know of a supervisor.

    Args:
        rung: How far the stop has gone.
        deadline: The `time.monotonic()` by which the process ends itself; inf: never.
        budgets: For each rung, the seconds of a stop that enters there.
        entries: For each signal, the rung at which it enters.
        counted: For signals that were counted, when the last one came; one that follows too soon
            is a duplicate.
        is_program: Whether whoever is in the process's own group or session belongs to it.
    """

    def __init__(
        self,
        rung: int,
        deadline: float,
        budgets: Sequence[float],
        entries: Mapping[signal.Signals, Rung] | Mapping[int, int],
        counted: Mapping[int, float],
        *,
        is_program: bool = False,
    ) -> None:
        self.rung = rung
        self.deadline = deadline
        self.budgets = budgets
        self.entries: Mapping[int, int] = {int(n): int(rung) for n, rung in entries.items()}
        self.counted: Mapping[int, float] = {int(n): at for n, at in counted.items()}
        self.is_program = is_program

    def later(self, seconds: float) -> GuardState:
        """By a clock that is so far ahead."""
        later = GuardState.decoded(self.encoded())
        later.deadline += seconds
        later.counted = {number: at + seconds for number, at in self.counted.items()}
        return later

    def without_end(self) -> GuardState:
        """As long as time stands still."""
        endless = GuardState.decoded(self.encoded())
        endless.deadline, endless.budgets = math.inf, [math.inf] * len(self.budgets)
        return endless

    def encoded(self) -> bytes:
        """One line."""
        budgets = ",".join(map(repr, self.budgets))
        entries = ",".join(f"{number:d}:{rung:d}" for number, rung in self.entries.items())
        counted = ",".join(f"{number:d}:{at!r}" for number, at in self.counted.items())
        facts = f"{self.rung:d} {self.deadline!r} {budgets} {entries} {counted}"
        return f"{facts} {self.is_program:d}\n".encode()

    @classmethod
    def decoded(cls, line: bytes) -> GuardState:
        """From a line."""
        *facts, is_program = line.decode().rstrip("\n").split(" ")
        rung, deadline, budgets, entries, counted = facts
        return cls(
            int(rung),
            float(deadline),
            [float(seconds) for seconds in budgets.split(",")],
            {number: int(entry) for number, entry in _pairs(entries)},
            {number: float(at) for number, at in _pairs(counted)},
            is_program=is_program == "1",
        )

    def deadline_of(self, unread: Sequence[tuple[int, float]]) -> float:
        """When a process that does not read these signals must be gone: as `ladder` has it.

        Args:
            unread: Numbers, and when they came.
        """
        rung, deadline, last = self.rung, self.deadline, len(self.budgets) - 1
        counted = dict(self.counted)
        for number, at in unread:
            if number not in self.entries:
                continue
            if at - counted.get(number, -math.inf) < _DUPLICATE_SECONDS:
                continue
            counted[number] = at
            while 0 < rung < last and at >= deadline - self.budgets[rung + 1]:
                rung += 1  # by time
            rung = min(max(rung + 1, self.entries[number]), last)
            deadline = min(deadline, at + self.budgets[rung])
        return deadline


def _pairs(text: str) -> list[tuple[int, str]]:
    return [(int(it.partition(":")[0]), it.partition(":")[2]) for it in text.split(",") if it]


class Sighting:
    """What the guard has seen unread at one moment.

    Args:
        at: The `time.monotonic()` just before it looked.
        arrivals: For each byte, the oldest first, when the guard has first seen it.
    """

    def __init__(self, at: float, arrivals: Sequence[float]) -> None:
        self.at = at
        self.arrivals = arrivals

    def encoded(self) -> bytes:
        """One line."""
        return f"{self.at!r} {','.join(map(repr, self.arrivals))}\n".encode()

    @classmethod
    def decoded(cls, line: bytes) -> Sighting:
        """From a line."""
        at, arrivals = line.decode().split(" ")
        return cls(float(at), [float(arrival) for arrival in arrivals.split(",")])


class Guard:
    """A guard of this process, as this process sees it.

    Starting it takes as long as starting Python, and blocks meanwhile.

    Args:
        bell: The fd of the socket that signals are written to.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, bell: int) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(0)
        try:
            with theirs:
                _start(theirs.fileno(), bell)
        except BaseException:
            self._socket.close()
            raise

    def tell(self, orders: GuardState) -> None:
        """Have it go by these from now on; from any thread."""
        _send_line(self._socket, orders.encoded())

    def sightings(self) -> Sequence[Sighting]:
        """What it has told since this was last asked; one caller at a time."""
        data = b""
        try:
            while chunk := self._socket.recv(65536):
                data += chunk
        except OSError:  # nothing more; it was killed
            pass
        return [Sighting.decoded(line) for line in data.rpartition(b"\n")[0].splitlines()]

    def stop(self) -> None:
        """Have it end; in a forked child, forget it."""
        self._socket.close()


def _send_line(to: socket.socket, line: bytes) -> bool:
    """Send a line, whole or not at all, and wait for nothing; returns whether it was sent.

    Nobody may be there, or look; a process may die of a SIGPIPE.
    """
    try:
        return to.send(line, _NO_PIPE_SIGNAL | socket.MSG_DONTWAIT) == len(line)
    except OSError:
        return False


def can_guard() -> bool:
    """Whether a guard can be had here: not of PID 1, which nobody can kill, nor on Windows."""
    return sys.platform != "win32" and os.getpid() != 1 and bool(sys.executable) and _IS_FILE


def has_stderr() -> bool:
    """Whether fd 2 is a stderr: where the process was started without one, it is a user's file."""
    return sys.__stderr__ is not None


def _start(orders: int, bell: int) -> None:
    import fcntl

    # Out of the way of 0 to 2, which a process may have closed and given to something else.
    command = [sys.executable, "-I", "-S", "-c", _START, _ROOT, __file__]
    copies = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in (orders, bell)]
    try:
        pid = os.posix_spawn(
            sys.executable,
            [*command, *["stderr"] * has_stderr(), str(os.getpid())],
            {},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, copies[0], _ORDERS),
                (os.POSIX_SPAWN_DUP2, copies[1], _BELL),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsigmask=signal.valid_signals(),
        )
    finally:
        for fd in copies:
            os.close(fd)
    try:
        _, status = os.waitpid(pid, 0)  # the one in between
    except ChildProcessError:  # SIGCHLD is ignored, or somebody waits for every child
        return
    if status != 0:
        raise OSError(f"{sys.executable} ended with the wait status {status}")


# -- in the guard -----------------------------------------------------------------------------


class Unread:
    """The bytes that the process has not read, and when each was first seen."""

    def __init__(self) -> None:
        self._data = b""
        self.arrivals: list[float] = []

    def see(self, data: bytes, now: float) -> bool:
        """Take what is there now; returns whether some of it is new."""
        if not data.startswith(self._data):  # some of it was read: the process is alive
            self._data, self.arrivals = b"", []
        is_new = len(data) > len(self._data)
        self.arrivals += [now] * (len(data) - len(self._data))
        self._data = data
        return is_new

    @property
    def signals(self) -> Sequence[tuple[int, float]]:
        """The numbers of those that somebody has sent, and when they came."""
        found: list[tuple[int, float]] = []
        own = 0  # signals that the process has sent to itself, each behind a mark
        for byte, at in zip(self._data, self.arrivals, strict=True):
            if byte == _OWN:
                own += 1
            elif own and byte:
                own -= 1
            elif byte:
                found.append((byte & ~_MISSED, at))
        return found


class Estimate:
    """When a process must be gone: what it has told of that, and what it has not read."""

    def __init__(self) -> None:
        self.unread = Unread()
        self._orders = GuardState(0, math.inf, [math.inf], {}, {})
        self._own = math.inf

    def obey(self, orders: GuardState) -> None:
        """Go by these; but not beyond the deadline that unread signals have set before.

        Where there is no stop, no end, or the process is at its own: that is over.
        """
        self._orders = orders
        is_over = orders.rung in (0, len(orders.budgets) - 1) or orders.deadline == math.inf
        self._own = math.inf if is_over else self._own

    def is_held(self, now: float) -> bool:
        """Whether something has been unread for so long that the interpreter must be held."""
        arrivals = self.unread.arrivals
        return bool(arrivals) and now - arrivals[0] >= HELD_SECONDS

    def kill_at(self, now: float) -> float:
        """When to kill it, as far as is known now."""
        reserve = RESERVE
        if self.is_held(now):
            self._own = self._orders.deadline_of(self.unread.signals)
            # It will not report by itself: what it has for that is for the stacks.
            reserve -= _STACKS_SECONDS
        return min(self._own, self._orders.deadline) + reserve


class _Watch:
    """The guard at work."""

    def __init__(self, pid: int, descendants: Descendants, *, has_stderr: bool) -> None:
        self._pid = pid
        self._has_stderr = has_stderr
        self._pidfd = _pidfd(pid)
        self._descendants = descendants
        self._began = descendants.began
        self._process = socket.socket(fileno=_ORDERS)
        self._bell = socket.socket(fileno=_BELL)
        self._estimate = Estimate()
        self._is_told = True  # the process was told of all that is unread
        self._is_heard = True  # and takes what it is told

    def until_over(self) -> None:
        """Watch until the process has ended, wants no guard any more, or has to be killed."""
        seconds: float | None = 0.0
        while self._wait(seconds):
            now = time.monotonic()
            self._look(now)
            kill_at = self._estimate.kill_at(now)
            if now < kill_at:
                seconds = kill_at - now if kill_at < math.inf else None
            elif _is_traced(self._pid):
                seconds = _TRACED_SECONDS
            else:
                self._kill()
                return

    def _wait(self, seconds: float | None) -> bool:
        """Wait for something to happen; returns whether there is still a process to guard."""
        poller = select.poll()
        poller.register(_ORDERS, select.POLLIN)
        if self._pidfd is not None:
            poller.register(self._pidfd, select.POLLIN)
        if self._estimate.unread.arrivals:
            seconds = _LOOK_SECONDS if seconds is None else min(seconds, _LOOK_SECONDS)
        else:
            poller.register(_BELL, select.POLLIN)
        # No longer than an hour: the kernel's own limit is an int of milliseconds.
        ready = dict(poller.poll(None if seconds is None else min(seconds, 3600.0) * 1000))
        if self._pidfd in ready:
            return False
        return _ORDERS not in ready or self._obey()

    def _obey(self) -> bool:
        try:
            lines = self._process.recv(65536).splitlines()  # whole ones: none is divided
        except OSError:  # it is gone
            return False
        if lines:
            orders = GuardState.decoded(lines[-1])
            self._estimate.obey(orders)
            self._note(orders)
        return bool(lines)

    def _note(self, orders: GuardState) -> None:
        """Remember at each step of a stop who there is; their parents may end."""
        self._descendants.began = self._began if orders.is_program else None
        if orders.rung > 0:
            try:
                self._descendants.update(process_table.read())
            except OSError:  # there are too many files open in all
                return

    def _look(self, now: float) -> None:
        """See what is unread, and leave it there."""
        try:
            data = self._bell.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:  # nothing
            data = b""
        is_new = self._estimate.unread.see(data, now)
        if data and (is_new or not self._is_told):
            self._tell(now)
            # Once more: in the moment of the look the process may have read what was before.
            self._is_told = not is_new

    def _tell(self, now: float) -> None:
        """Tell the process when what it has not read has come."""
        sighting = Sighting(now, self._estimate.unread.arrivals[:_MOST_TOLD])
        # A line of which the process got a part would spoil the next.
        self._is_heard = self._is_heard and _send_line(self._process, sighting.encoded())

    def _kill(self) -> None:
        if _catches(self._pid, STACKS):
            self._send(STACKS)
            time.sleep(_STACKS_SECONDS)
        victims = kill_tree.stop_all(self._descendants, _is_spared)
        kill_tree.kill(victims)  # before it: who waits for its end is to find none of them
        also = f" and {len(victims)} that it had started" if victims else ""
        # Last: in a file that it does not append to, what it writes next would be over this.
        if self._has_stderr:
            why = f"{self._why()}; the guard killed process {self._pid}{also}"
            _say_on_its_stderr(self._pid, why)
        self._send(signal.SIGKILL)
        # What it has started meanwhile is in its group or session, where it leads one.
        kill_tree.kill(kill_tree.stop_all(self._descendants, _is_spared))

    def _why(self) -> str:
        unread = self._estimate.unread.signals
        if not unread:
            return "the process did not end itself by the deadline"
        number, at = unread[0]
        since = f"signal {number} unread for {time.monotonic() - at:.1f} s"
        return f"the interpreter was held past the deadline ({since})"

    def _send(self, number: int) -> None:
        if self._pidfd is not None:
            _send(self._pidfd, number)
            return
        try:
            os.kill(self._pid, number)
        except OSError:  # it has ended, or is another user's by now
            return


def _pidfd(pid: int) -> int | None:
    # Should the pid be another's by now, then the pipe's end is closed: that is looked at first.
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # not Linux, or an old one: the pipe's end tells as well
        return None


def _is_traced(pid: int) -> bool:
    return bool(_status(pid, b"TracerPid:", 10))


def _status(pid: int, name: bytes, base: int) -> int:
    """A number of what the kernel tells of a process; 0 where it does not."""
    if not process_table.is_own():
        return 0
    try:
        with open(f"/proc/{pid}/status", "rb") as status:  # noqa: PTH123
            return next((int(it.split()[1], base) for it in status if it.startswith(name)), 0)
    except OSError:
        return 0


def _say_on_its_stderr(pid: int, text: str) -> None:
    """Leave a line where the process would have left its report; wait for nothing."""
    if not process_table.is_own():
        return
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY
        os.write(os.open(f"/proc/{pid}/fd/2", flags), f"supervisor: {text}\n".encode())
    except OSError:  # closed, a socket, a full pipe, no /proc
        return


def _catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal, which would end it otherwise."""
    caught = _status(pid, b"SigCgt:", 16)
    return number > 0 and bool(caught >> (number - 1) & 1)


def _send(pidfd: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, number)
    except OSError:  # it has ended, or is another user's by now
        return


def _is_spared(row: Row) -> bool:
    return row.pid == os.getpid() or kill_tree.is_tracker(row)


def _descendants_of(pid: int) -> Descendants:
    """A process, as it is now: who descends from it already is to be spared."""
    now = process_table.now()
    found = Descendants(pid).update(process_table.read())
    spared = [
        row.ident for row in found if row.pid != os.getpid() and not kill_tree.is_tracker(row)
    ]
    return Descendants(pid, spared=spared, began=now)


def main() -> None:
    """Guard the process that the last word of the command line names."""
    pid = int(sys.argv[-1])
    descendants = _descendants_of(
        pid
    )  # while the process waits for us: what it starts from here on is not spared
    if os.fork() != 0:
        os._exit(0)  # the one in between: whoever waits for it has no child left
    os.setsid()
    os.chdir("/")
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    _Watch(pid, descendants, has_stderr="stderr" in sys.argv).until_over()
