"""The bridge: carries a signal from the kernel to the watchdog, from any thread, at any moment.

The ways that were not chosen, and why:

- `loop.add_signal_handler` loses the handler that it replaces, sets the process's wakeup fd to -1
  when it is removed (for everybody), and cannot be reached while the loop is blocked.
- A `signal.signal` handler that calls into asyncio runs between any two bytecodes of the main
  thread, and does not wake a loop that waits in `select()`. One that raises KeyboardInterrupt
  tears whatever callback happened to run.
- `signalfd` and masks need every thread of the process to block the signals, those started before
  us included.

So: a `signal.signal` handler that only records and rings, and a *wakeup fd* of our own. The C part
of a signal handler writes the signal's number to that fd in whichever thread the kernel has chosen,
whether or not the interpreter gets to run. The watchdog reads the other end; so does the loop that
was rung.

The wakeup fd is one slot for the whole process, and asyncio, uvloop, trio and Tornado write to it
without asking. Each byte is passed on to the fd that stood there before us (a duplicate of it:
the number itself may be closed and be somebody's file by now). When the slot was taken from us,
the handler notices, takes it back, and delivers what it missed by itself; `hold()`, called from
the loop a few times a second, notices it where even the handler cannot run in time (asyncio's
`remove_signal_handler` leaves -1, and a signal given to another thread then wakes nobody).

The socket pair stays open for the life of the process: uvloop saves the fd that it finds when it
starts, and puts that number back when it stops. Were it closed by then, signals would be written
into whatever file has got the number since.

Where it still falls short: a byte is lost when 200 KB of them are unread, and the flags of the
handlers that were found (`siginterrupt`) cannot be read from Python, so they are not put back.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any, Final, Protocol

_MISSED: Final = 0x80  # marks a number that the handler delivered: its fd has had it already
_KICK: Final = b"\0"  # no signal has the number 0
_OWN: Final = 0x80  # the next one is a signal that we send to ourselves, for the guard to know


class Sighting(Protocol):
    """What somebody has seen unread at one moment."""

    @property
    def at(self) -> float:
        """The `time.monotonic()` just before it looked."""
        ...

    @property
    def arrivals(self) -> Sequence[float]:
        """For each byte, the oldest first, when it was first seen."""
        ...


class _Chained:
    """The wakeup fd that stood in the slot before ours."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.copy = os.dup(number)

    def is_still_there(self) -> bool:
        """Whether the number still names the file that it named when we found it."""
        try:
            now, then = os.fstat(self.number), os.fstat(self.copy)
        except OSError:
            return False
        return (now.st_dev, now.st_ino) == (then.st_dev, then.st_ino)

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # full, or its reader has gone
            os.write(self.copy, data)

    def close(self) -> None:
        os.close(self.copy)


class WakeupFd:
    """Signal handlers and a wakeup fd of our own, chained to what was found.

    Args:
        ring: Called by the handler, with the number, in the main thread, to have the loop look as
            well: a busy loop can keep the watchdog's thread from the interpreter's lock for most
            of a second.
        ctrl_c: Called by the handler of SIGINT, with the handler that was found; returns what is to
            be done instead of ringing, where somebody else wants it.
    """

    def __init__(
        self,
        ring: Callable[[int], None] | None = None,
        ctrl_c: Callable[[Any], Callable[[int, FrameType | None], Any] | None] | None = None,
    ) -> None:
        self._ring = ring
        self._ctrl_c = ctrl_c
        self._reader, self._writer = socket.socketpair()
        self._reader.settimeout(0)
        self._writer.settimeout(0)
        self._found: dict[int, Any] = {}
        self._found_c: dict[int, int] = {}
        self._chained: _Chained | None = None
        self._retired: list[_Chained] = []
        # No fd is closed under one who writes to it. Never taken by a handler, nor in a child.
        self._passing = threading.Lock()
        self._interrupt: Callable[[FrameType | None], None] | None = None
        self._told = 0  # so many bytes were read, and are still there
        self._read_at = -math.inf
        self.witness: Callable[[], Iterable[Sighting]] | None = None
        """Tells what it has seen unread since it was last asked."""
        self._own: list[int] = []  # numbers of signals that we have sent to ourselves

    def fileno(self) -> int:
        """The fd that becomes readable when there is something for `read()`."""
        return self._reader.fileno()

    @property
    def signals(self) -> frozenset[int]:
        """The signals whose handlers are ours to put back."""
        return frozenset(self._found)

    # -- in the main thread -------------------------------------------------------------------

    def keep(self, signals: Iterable[int]) -> list[tuple[int, float]]:
        """Handle exactly these signals: install what is missing, put back what is not named.

        With none left the wakeup fd is put back too. Only in the main thread; elsewhere it does
        nothing, as Python allows nothing. A handler that was found may raise out of it; called
        again, it does what it has not done.

        Returns:
            The signals that had arrived where handlers were put back, as of `read()`, and that
            nobody has read: nobody else will.
        """
        if not is_main_thread():
            return []
        wanted, had = frozenset(signals), self.signals
        unwanted = had - wanted
        for number in unwanted:
            self._put_back(number)
        for number in wanted - had:
            self._install(number)
        if had and not wanted:
            self._leave_slot()
        # Only now: until its handler was put back, each signal wrote to our fd.
        unread = self.read() if unwanted else []
        if had and not wanted:
            self._let_chained_go()
        for number in unwanted:
            del self._found[number], self._found_c[number]
        self.hold()
        return unread

    def hold(self) -> None:
        """Take back the wakeup fd, and handlers that someone's removal has reset."""
        if not self._found or not is_main_thread():
            return
        self._take_slot()
        for number in self._found:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, self._record)

    def _install(self, number: int) -> None:
        # Noted first: another thread may fork between any two of these lines, and what is found may
        # raise as soon as ours stands.
        self._found_c[number] = _c_handler(number)
        self._found[number] = signal.getsignal(number)
        signal.signal(number, self._record)

    def _put_back(self, number: int) -> None:
        found, found_c = self._found[number], self._found_c[number]
        back = found if found is not None else signal.SIG_DFL
        if signal.getsignal(number) == self._record:
            signal.signal(number, back)
        elif signal.getsignal(number) != back:
            return  # somebody else's by now: theirs to take back
        if _c_handler(number) != found_c:  # set by C code, which Python can neither name nor set
            _set_c_handler(number, found_c)

    def _record(self, number: int, frame: FrameType | None) -> None:
        # Between any two bytecodes of the main thread: no lock, no log, and of asyncio only the one
        # call that is made for it (its own Runner's handler makes it as well). The C part
        # has delivered the number already, unless the slot was somebody else's.
        if self._take_slot():
            self._write(bytes([number | _MISSED]))
        call, self._interrupt = self._interrupt, None
        if call is not None:
            call(frame)
        elif theirs := self._theirs(number):
            theirs(number, frame)
        elif self._ring is not None:
            self._ring(number)

    def _theirs(self, number: int) -> Callable[[int, FrameType | None], Any] | None:
        if number != signal.SIGINT or self._ctrl_c is None:
            return None
        return self._ctrl_c(self._found.get(number))

    def _take_slot(self) -> bool:
        """Put our fd into the slot; say whether another one was there."""
        ours = self._writer.fileno()
        found = signal.set_wakeup_fd(ours, warn_on_full_buffer=False)
        if found == ours:
            return False
        self._retire()
        if found != -1:
            with contextlib.suppress(OSError):  # closed by its owner, who forgot the slot
                self._chained = _Chained(found)
        return True

    def _retire(self) -> None:
        chained, self._chained = self._chained, None
        if chained is not None:
            self._retired.append(chained)

    def _leave_slot(self) -> None:
        chained = self._chained
        back = chained.number if chained is not None and chained.is_still_there() else -1
        # The flag that was found cannot be read. A warning printed by C code is the worse mistake.
        found = signal.set_wakeup_fd(back, warn_on_full_buffer=False)
        if found not in (self._writer.fileno(), -1):
            # Another one's by now: theirs.
            signal.set_wakeup_fd(found, warn_on_full_buffer=False)

    def _let_chained_go(self) -> None:
        with self._passing:
            self._retire()
            self._close_retired()

    # -- in any thread ------------------------------------------------------------------------

    def kick(self) -> None:
        """Wake the reader."""
        self._write(_KICK)

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # full: the reader is about to wake anyway
            os.write(self._writer.fileno(), data)

    def interrupt(self, call: Callable[[FrameType | None], None]) -> bool:
        """Have a function called between two bytecodes of the main thread; it may raise.

        By a signal that is ours to handle, and is not counted. One of the same number that comes
        from outside in that very moment is one with it, and not counted either.

        Returns:
            Whether there is such a signal.
        """
        main, number = threading.main_thread().ident, next(iter(self._found), None)
        if number is None or main is None or not hasattr(signal, "pthread_kill"):
            return False
        self._interrupt = call
        self._own.append(number)
        self._write(bytes([_OWN]))
        signal.pthread_kill(main, number)
        return True

    def read(self) -> list[tuple[int, float]]:
        """The signals that have arrived, with the time of it; passes them on to the chained fd.

        That is the time of this call, unless a witness has seen them unread before: the interpreter
        may have been held since.

        Who else reads does not see them: `kick()` the watchdog once they are worked off. The main
        thread's loop is not blocked: while another one reads, there is nothing for it.
        """
        if not self._passing.acquire(blocking=not is_main_thread()):
            return []
        try:
            came = [one for one in self._arrivals() if not self._is_own(one[0] & ~_MISSED)]
            self._pass_on(bytes(byte for byte, _ in came))
            self._close_retired()
        finally:
            self._passing.release()
        return [(byte & ~_MISSED, at) for byte, at in came if byte & ~_MISSED]

    def _arrivals(self) -> list[tuple[int, float]]:
        """What has come since, each byte with the time of it."""
        # Asked first: what it has seen later may lack what is taken here.
        witness, told, before = self.witness, self._told, self._read_at
        seen = [one for one in (witness() if witness else ()) if one.at > before]
        data = self._take()
        now = self._read_at = time.monotonic()
        known = seen[-1].arrivals[told:] if seen else ()
        times = [min(max(at, before), now) for at in known[: len(data)]]
        return [*zip(data, [*times, *[now] * (len(data) - len(times))], strict=True)]

    def _is_own(self, number: int) -> bool:
        if number not in self._own:
            return False
        self._own.remove(number)
        return True

    def _pass_on(self, data: bytes) -> None:
        theirs, chained = bytes(byte for byte in data if 0 < byte < _MISSED), self._chained
        if theirs and chained is not None:
            chained.write(theirs)

    def _take(self) -> bytes:
        """What has come since; the watchdog leaves it there until it comes again, which is soon.

        It may lose the interpreter for good before it has told anybody. The guard counts what is
        unread, and would not know of a signal that was.
        """
        told, self._told = self._told, 0
        data = b""
        with contextlib.suppress(BlockingIOError):
            if told:
                self._reader.recv(told)
            if not is_main_thread():
                data = self._reader.recv(65536, socket.MSG_PEEK)
                self._told = len(data)
                return data
            while chunk := self._reader.recv(65536):
                data += chunk
        return data

    def _close_retired(self) -> None:
        while self._retired:
            self._retired.pop().close()

    # -- in a forked child --------------------------------------------------------------------

    def forget(self) -> None:
        """Give a child the handlers and the wakeup fd that it would have had without us.

        What is unread is left: the sockets are the parent's too, and a signal that had arrived
        there as it forked would be lost.
        """
        for number in self.signals:
            self._put_back(number)
        chained, ours = self._chained, self._writer.fileno()
        found = signal.set_wakeup_fd(-1)
        if found == ours:  # else it was emptied already: asyncio does so, from Python 3.12 on
            found = chained.number if chained is not None and chained.is_still_there() else -1
        with contextlib.suppress(OSError):  # somebody's, who has closed it
            signal.set_wakeup_fd(found, warn_on_full_buffer=False)
        self._retire()
        self._close_retired()
        self._reader.close()
        self._writer.close()


def is_main_thread() -> bool:
    """Whether this thread is the one in which Python allows signal handlers to be set."""
    return threading.current_thread() is threading.main_thread()


def _c_handler(number: int) -> int:
    get = ctypes.pythonapi.PyOS_getsig
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.c_int]
    return get(number) or 0


def _set_c_handler(number: int, handler: int) -> None:
    put = ctypes.pythonapi.PyOS_setsig
    put.restype, put.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
    put(number, handler)
