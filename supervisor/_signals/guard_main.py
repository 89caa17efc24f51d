"""What runs in the guard: watches a process, and kills it when C code holds its GIL for too long.

It runs as a script in a fresh interpreter (`-I -S`), started by `guard.py`. It imports a few small
modules of ours and next to nothing of the standard library, and sleeps in `poll()`.

What it knows, and from where:

- *Signals.* The C part of our handlers writes to the wakeup fd whether or not the interpreter runs.
  The guard peeks at the bytes there and never takes one; a process that takes them is alive. Bytes
  that stay unread for `GIL_HELD_SECONDS` mean that C code holds the GIL. They count from their
  arrival, and so does each further one.
- *The time.* The process sends how far the stop has gone, and its deadline, at each step.
- *The process's end.* The socket closes, and the pidfd becomes readable. A pid alone could be
  another process's by the time of the kill.
- *What is left to do at that end.* It stands in the end record, shared memory that the process
  hands over as soon as there is something, with the file of its machine output. The guard then
  waits for the pidfd: the socket closes while the process's threads may still be writing.

What it reports: when each byte arrived that the process has not read. C code may hold the GIL, let
go for a moment, and take it again. In that moment the process reads the signal, and would count its
seconds from there. So the guard sends the times of arrival over the socket, and the process's
ladder counts from those. If the process still sends a later deadline, the guard keeps its own.

What it does at the deadline: it has the process's C code write the stacks to stderr, which needs no
GIL (`run` registers that); kills the process's descendants; writes the reason to stderr; and kills
the process. It scans for descendants at each step of the stop, as parents end meanwhile (see
`descendants`). It spares those that were there before the guard, and multiprocessing's resource
tracker. It stops each descendant before it kills it, so that it starts no other one, and signals it
by a pidfd, so that it hits no other process. It does not kill a process that a debugger traces.

What it does when the process is gone: it writes the last line of its machine output, unless the
process has done so, lets go of that file, and puts the terminal back (see `after_kill`).

Where it falls short: without the /proc of its own PID namespace (macOS, `unshare --pid`) the
children of what it kills are left to whoever inherits them; a stderr that is a socket gets no line;
under `strace`, which looks like a debugger, it waits.
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import sys
import time

assert sys.platform != "win32"

from supervisor._process import kill_tree, process_table
from supervisor._process.after_kill import HeldFiles
from supervisor._process.descendants import Descendants
from supervisor._signals.guard_state import (
    HOLD,
    IDLE,
    RESERVE_SECONDS,
    STACKS_SIGNAL,
    ArrivalReport,
    GuardState,
    receive_lines,
    send_line,
)
from supervisor._signals.wakeup_bytes import FROM_HANDLER, SELF_SENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from supervisor._process.process_table import Row

GIL_HELD_SECONDS: Final = 0.2
"""How long a signal stays unread before C code counts as holding the GIL."""

_STACKS_SECONDS: Final = 0.1  # for the stacks to be written; a full pipe would take for ever
_POLL_SECONDS: Final = 0.05  # between two looks while something is unread, and only then
_TRACED_SECONDS: Final = 1.0  # between two looks at a process that a debugger traces
_MOST_REPORTED: Final = 64  # bytes: a line is short, and as many signals say what they say
_MOST_RECEIVED: Final = 100
_CONTROL_FD, _WAKEUP_FD = 0, 1  # as `guard` starts us


class UnreadBytes:
    """The bytes that the process has not read, and when each was first seen."""

    def __init__(self) -> None:
        self._data = b""
        self.arrivals: list[float] = []

    def update(self, data: bytes, now: float) -> bool:
        """Take in all that is unread now; return whether some of it is new."""
        if not data.startswith(self._data):  # some of it was read: the process is alive
            self._data, self.arrivals = b"", []
        is_new = len(data) > len(self._data)
        self.arrivals += [now] * (len(data) - len(self._data))
        self._data = data
        return is_new

    @property
    def signals(self) -> Sequence[tuple[int, float]]:
        """The numbers of those that somebody else has sent, and when they came."""
        found: list[tuple[int, float]] = []
        self_sent = 0  # signals that the process has sent to itself, each behind a mark
        for byte, at in zip(self._data, self.arrivals, strict=True):
            if byte == SELF_SENT:
                self_sent += 1
            elif self_sent and byte:
                self_sent -= 1
            elif byte:
                found.append((byte & ~FROM_HANDLER, at))
        return found


class KillTime:
    """When to kill the process, from the state that it sent and the signals that it left unread."""

    def __init__(self) -> None:
        self.unread = UnreadBytes()
        self._state = IDLE
        self._deadline = math.inf  # ours, from unread signals

    def update(self, state: GuardState) -> None:
        """Go by this state, but not beyond the deadline that unread signals have set before.

        That deadline is void where there is no stop, where the stop has no end, or where the
        process is ending itself.
        """
        self._state = state
        is_over = state.rung in (0, len(state.budgets) - 1) or state.deadline == math.inf
        self._deadline = math.inf if is_over else self._deadline

    def is_gil_held(self, now: float) -> bool:
        """Return whether something has been unread for so long that C code must hold the GIL."""
        arrivals = self.unread.arrivals
        return bool(arrivals) and now - arrivals[0] >= GIL_HELD_SECONDS

    def has_passed(self, now: float) -> bool:
        """Return whether the process was to end itself by now."""
        return now >= min(self._deadline, self._state.deadline)

    def at(self, now: float) -> float:
        """Return when to kill the process, as far as is known now."""
        reserve = RESERVE_SECONDS
        if self.is_gil_held(now):
            self._deadline = self._state.deadline_after(self.unread.signals)
            # The process will write no report: part of the time for that goes to the stacks.
            reserve -= _STACKS_SECONDS
        return min(self._deadline, self._state.deadline) + reserve


class _GuardLoop:
    """The guard at work.

    Args:
        pid: The process to guard.
        descendants: Its descendants, as far as they are known.
        has_stderr: Whether its fd 2 is a stderr.
    """

    def __init__(self, pid: int, descendants: Descendants, *, has_stderr: bool) -> None:
        self._pid = pid
        self._has_stderr = has_stderr
        self._pidfd = _pidfd(pid)
        self._descendants = descendants
        self._began = descendants.began
        self._control = socket.socket(fileno=_CONTROL_FD)
        self._wakeup = socket.socket(fileno=_WAKEUP_FD)
        self._kill_time = KillTime()
        self._held = HeldFiles()
        self._is_reported = True  # the process knows of all that is unread
        self._is_received = True  # and takes our reports

    def run(self) -> None:
        """Guard the process, and do what is left to do at its end."""
        was_killed = self._watch()
        is_forced = self._kill_time.has_passed(time.monotonic())
        self._receive_rest()
        if self._pidfd is not None and self._held.are_there:
            select.select([self._pidfd], [], [])  # its threads may write until then
        self._held.write_last_line(is_forced=is_forced)
        if was_killed:
            # What it has started meanwhile is in its group or session, where it leads one.
            kill_tree.kill(kill_tree.stop_all(self._descendants, _is_spared))
        self._held.give_terminal_back(is_gone=True)

    def _watch(self) -> bool:
        """Watch until there is nothing to guard any more; return whether we have killed it."""
        seconds: float | None = 0.0
        while self._wait(seconds):
            now = time.monotonic()
            self._peek(now)
            kill_at = self._kill_time.at(now)
            if now < kill_at:
                seconds = kill_at - now if kill_at < math.inf else None
            elif _is_traced(self._pid):
                seconds = _TRACED_SECONDS
            else:
                self._kill()
                return True
        return False

    def _wait(self, seconds: float | None) -> bool:
        """Wait for something to happen; return whether there is still a process to guard."""
        poller = select.poll()
        poller.register(_CONTROL_FD, select.POLLIN)
        if self._pidfd is not None:
            poller.register(self._pidfd, select.POLLIN)
        if self._kill_time.unread.arrivals:
            seconds = _POLL_SECONDS if seconds is None else min(seconds, _POLL_SECONDS)
        else:
            poller.register(_WAKEUP_FD, select.POLLIN)
        # No longer than an hour: the kernel's own limit is an int of milliseconds.
        ready = dict(poller.poll(None if seconds is None else min(seconds, 3600.0) * 1000))
        if self._pidfd in ready:
            return False
        return _CONTROL_FD not in ready or self._receive()

    def _receive(self) -> bool:
        """Take in the newest state; return whether the process is still there."""
        try:
            lines, fds = receive_lines(self._control)
        except OSError:  # the process is gone
            return False
        state = self._take_in(lines, fds)
        if state is not None:
            self._kill_time.update(state)
            self._scan(state)
        return bool(lines)

    def _receive_rest(self) -> None:
        """Take in what was sent just before the end, which may be noticed first."""
        self._control.settimeout(0)
        for _ in range(_MOST_RECEIVED):
            try:
                lines, fds = receive_lines(self._control)
            except ConnectionResetError:  # it has not read our reports; said once, before the rest
                continue
            except OSError:  # nothing more
                return
            if not lines:
                return
            self._take_in(lines, fds)

    def _take_in(self, lines: Sequence[bytes], fds: Sequence[int]) -> GuardState | None:
        """Hold what came with a line; return the newest state."""
        if HOLD.rstrip() in lines:
            self._held.replace(fds)
        states = [line for line in lines if line != HOLD.rstrip()]
        return GuardState.decoded(states[-1]) if states else None

    def _scan(self, state: GuardState) -> None:
        """Find the descendants at each step of a stop; their parents may end."""
        self._descendants.began = self._began if state.is_program else None
        if state.rung > 0:
            try:
                self._descendants.update(process_table.read())
            except OSError:  # too many files are open in the whole system
                return

    def _peek(self, now: float) -> None:
        """Look at what is unread, and leave it there."""
        try:
            data = self._wakeup.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:  # nothing
            data = b""
        is_new = self._kill_time.unread.update(data, now)
        if data and (is_new or not self._is_reported):
            self._report(now)
            # Once more: just as we looked, the process may have read what was there before.
            self._is_reported = not is_new

    def _report(self, now: float) -> None:
        """Tell the process when the bytes arrived that it has not read."""
        report = ArrivalReport(now, self._kill_time.unread.arrivals[:_MOST_REPORTED])
        # Part of a line would spoil the next one.
        self._is_received = self._is_received and send_line(self._control, report.encoded())

    def _kill(self) -> None:
        if _catches(self._pid, STACKS_SIGNAL):
            self._send(STACKS_SIGNAL)
            time.sleep(_STACKS_SECONDS)
        stopped = kill_tree.stop_all(self._descendants, _is_spared)
        kill_tree.kill(stopped)  # first: whatever waits for its end is to find none of them
        self._held.give_terminal_back(is_gone=False)  # before a shell wants it
        also = f" and {len(stopped)} that it had started" if stopped else ""
        # Last: in a file not opened for appending, what the process writes next would be over this.
        if self._has_stderr:
            why = f"{self._why()}; the guard killed process {self._pid}{also}"
            _write_to_its_stderr(self._pid, why)
        self._send(signal.SIGKILL)

    def _why(self) -> str:
        unread = self._kill_time.unread.signals
        if not unread:
            return "the process did not end itself by the deadline"
        number, at = unread[0]
        since = f"signal {number} unread for {time.monotonic() - at:.1f} s"
        return f"the interpreter was held past the deadline ({since})"

    def _send(self, number: int) -> None:
        try:
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, number)
            else:
                os.kill(self._pid, number)
        except OSError:  # it has ended, or is another user's by now
            return


def _pidfd(pid: int) -> int | None:
    # Should the pid be another process's by now, the socket is closed: that is checked first.
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # not Linux, or an old one: the socket's end is enough
        return None


def _is_traced(pid: int) -> bool:
    return bool(_status(pid, b"TracerPid:", 10))


def _status(pid: int, name: bytes, base: int) -> int:
    """Return a number that the kernel gives for a process; 0 where it gives none."""
    if not process_table.is_own():
        return 0
    try:
        with open(f"/proc/{pid}/status", "rb") as status:  # noqa: PTH123
            return next((int(it.split()[1], base) for it in status if it.startswith(name)), 0)
    except OSError:
        return 0


def _write_to_its_stderr(pid: int, text: str) -> None:
    """Write a line where the process would have written its report; do not wait."""
    if not process_table.is_own():
        return
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY
        os.write(os.open(f"/proc/{pid}/fd/2", flags), f"supervisor: {text}\n".encode())
    except OSError:  # closed, a socket, a full pipe, no /proc
        return


def _catches(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal, which would end it otherwise."""
    caught = _status(pid, b"SigCgt:", 16)
    return number > 0 and bool(caught >> (number - 1) & 1)


def _is_spared(row: Row) -> bool:
    return row.pid == os.getpid() or kill_tree.is_tracker(row)


def _descendants_of(pid: int) -> Descendants:
    """Return the record of a process's descendants, in which the present ones are spared."""
    now = process_table.now()
    found = Descendants(pid).update(process_table.read())
    spared = [
        row.ident for row in found if row.pid != os.getpid() and not kill_tree.is_tracker(row)
    ]
    return Descendants(pid, spared=spared, began=now)


def main() -> None:
    """Guard the process that the last word of the command line names."""
    pid = int(sys.argv[-1])
    # Now, while the process waits for us: what it starts from here on is not spared.
    descendants = _descendants_of(pid)
    if os.fork() != 0:
        os._exit(0)  # the process in between, for which `guard` waits
    os.setsid()
    os.chdir("/")
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    _GuardLoop(pid, descendants, has_stderr="stderr" in sys.argv).run()
