"""What the process and its guard tell each other, and the deadline that both work out from it.

One line each way, over a socket: the process sends its `GuardState`, the guard an `ArrivalReport`.
Besides, the process hands over the files that the guard needs at its end (`HOLD`).
The guard runs in an interpreter without our environment, so this module imports next to nothing.
"""

from __future__ import annotations

import math
import signal
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

RESERVE_SECONDS: Final = 0.3
"""After the deadline: how long the process may take to end itself and to write its report."""

STACKS_SIGNAL: Final = getattr(signal, "SIGRTMAX", 0) - 2
"""The signal on which the process writes its stacks, if it handles it; negative where none is."""

HOLD: Final = b"hold\n"
"""The line with which fds come: the guard is to hold these, and no others that came before."""

_MOST_FDS: Final = 2
_FD_SIZE: Final = 4  # bytes, as the kernel packs it
_DUPLICATE_SECONDS: Final = 0.3  # as in `ladder`, which imports too much for the guard
_NO_PIPE_SIGNAL: Final = getattr(socket, "MSG_NOSIGNAL", 0)


class GuardState:
    """What the guard needs to know of a supervisor.

    Args:
        rung: How far the stop has gone.
        deadline: The `time.monotonic()` by which the process ends itself; inf: never.
        budgets: For each rung, the seconds of a stop that enters there.
        entries: For each signal, the rung at which it enters.
        counted: For signals that were counted, when the last one came; one that follows too soon
            is a duplicate.
        is_program: Whether all processes in the process's own group or session belong to it.
    """

    def __init__(
        self,
        rung: int,
        deadline: float,
        budgets: Sequence[float],
        entries: Mapping[signal.Signals, int] | Mapping[int, int],
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

    def delayed(self, seconds: float) -> GuardState:
        """Return the same state with all its times later by this."""
        delayed = GuardState.decoded(self.encoded())
        delayed.deadline += seconds
        delayed.counted = {number: at + seconds for number, at in self.counted.items()}
        return delayed

    def without_deadline(self) -> GuardState:
        """Return the same state for a process whose time stands still."""
        endless = GuardState.decoded(self.encoded())
        endless.deadline, endless.budgets = math.inf, [math.inf] * len(self.budgets)
        return endless

    def encoded(self) -> bytes:
        """Return the state as one line."""
        budgets = ",".join(map(repr, self.budgets))
        entries = ",".join(f"{number:d}:{rung:d}" for number, rung in self.entries.items())
        counted = ",".join(f"{number:d}:{at!r}" for number, at in self.counted.items())
        facts = f"{self.rung:d} {self.deadline!r} {budgets} {entries} {counted}"
        return f"{facts} {self.is_program:d}\n".encode()

    @classmethod
    def decoded(cls, line: bytes) -> GuardState:
        """Build the state from a line."""
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

    def deadline_after(self, unread: Sequence[tuple[int, float]]) -> float:
        """Return when the process must be gone if it never reads these signals.

        The rules are those of `ladder`; a test compares the two.

        Args:
            unread: The signals' numbers, and when each arrived.
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


IDLE: Final = GuardState(0, math.inf, [math.inf], {}, {})
"""The state where there is no supervisor: nothing stops, and no signal does."""


def _pairs(text: str) -> list[tuple[int, str]]:
    return [(int(it.partition(":")[0]), it.partition(":")[2]) for it in text.split(",") if it]


class ArrivalReport:
    """When the bytes arrived that the process had not read at one moment.

    Args:
        at: The `time.monotonic()` just before the guard looked.
        arrivals: For each byte, the oldest first, when the guard first saw it.
    """

    def __init__(self, at: float, arrivals: Sequence[float]) -> None:
        self.at = at
        self.arrivals = arrivals

    def encoded(self) -> bytes:
        """Return the report as one line."""
        return f"{self.at!r} {','.join(map(repr, self.arrivals))}\n".encode()

    @classmethod
    def decoded(cls, line: bytes) -> ArrivalReport:
        """Build the report from a line."""
        at, arrivals = line.decode().split(" ")
        return cls(float(at), [float(arrival) for arrival in arrivals.split(",")])


def send_line(to: socket.socket, line: bytes, fds: Sequence[int] = ()) -> bool:
    """Send a line, whole or not at all, without waiting; return whether it was sent.

    Nobody may be there to read it; a SIGPIPE would end the process.
    """
    if sys.platform == "win32":
        return False
    packed = b"".join(fd.to_bytes(_FD_SIZE, sys.byteorder) for fd in fds)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)] if fds else []
    try:
        return to.sendmsg([line], rights, _NO_PIPE_SIGNAL | socket.MSG_DONTWAIT) == len(line)
    except OSError:
        return False


def receive_lines(source: socket.socket) -> tuple[Sequence[bytes], Sequence[int]]:
    """Return the lines that have come, and the fds that came with them; no lines at the end.

    Raises:
        OSError: The other side is gone.
    """
    if sys.platform == "win32":
        return (), ()
    space = socket.CMSG_SPACE(_MOST_FDS * _FD_SIZE)
    data, rights, _, _ = source.recvmsg(65536, space, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
    fds: list[int] = []
    for _, _, packed in rights:  # of one kind: nothing else was asked for
        starts = range(0, len(packed) - _FD_SIZE + 1, _FD_SIZE)
        fds += [int.from_bytes(packed[at : at + _FD_SIZE], sys.byteorder) for at in starts]
    return data.splitlines(), fds  # whole ones: none is divided
