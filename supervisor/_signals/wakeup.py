"""The wakeup fd: carries a signal from the kernel to the watchdog, from any thread, at any moment.

What was not chosen, and why:

- `loop.add_signal_handler` loses the handler that it replaces, sets the process's wakeup fd to -1
  when it is removed (for everybody), and cannot be reached while the loop is blocked.
- A `signal.signal` handler that calls into asyncio runs between any two bytecodes of the main
  thread, and does not wake a loop that waits in `select()`. One that raises KeyboardInterrupt tears
  whatever callback happened to run.
- `signalfd` and masks need every thread of the process to block the signals, those that started
  before us included.

So there is a `signal.signal` handler that only records and notifies the loop, and a *wakeup fd* of
our own. The C part of a signal handler writes the signal's number to that fd, in whichever thread
the kernel has chosen, whether or not the interpreter gets to run. The watchdog reads the other end,
and so does the loop that was notified.

The wakeup fd is one slot for the whole process, and asyncio, uvloop, trio and Tornado write to it
without asking. Each byte is passed on to the fd that stood there before us (to a duplicate of it:
the number itself may be closed and name somebody's file by now). When somebody takes the slot from
us, our handler notices, takes it back, and delivers by itself what the fd missed. `reclaim()`,
which the loop calls a few times a second, notices it where even the handler cannot run in time:
asyncio's `remove_signal_handler` leaves -1 there, and a signal given to another thread then wakes
nobody.

The socket pair stays open for the life of the process. uvloop saves the fd that it finds when it
starts, and puts that number back when it stops. If the pair were closed by then, signals would be
written into whatever file has got the number since.

Where it falls short: a byte is lost when 200 KB of them are unread.
"""

from __future__ import annotations

import _thread
import contextlib
import math
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import FrameType
from typing import Any

from supervisor._signals.chained_fd import ChainedFd
from supervisor._signals.guard_state import ArrivalReport
from supervisor._signals.handlers import Handler, SignalHandlers, is_main_thread, server_of
from supervisor._signals.wakeup_bytes import FROM_HANDLER, SELF_SENT, WAKE


class WakeupFd:
    """Signal handlers and a wakeup fd of our own, chained to what was found.

    Args:
        notify: Called by the handler in the main thread, with the signal's number, to have the
            loop read the fd as well: a busy loop can keep the watchdog's thread from the GIL for
            most of a second.
        ctrl_c: Called by the handler of SIGINT, with the handler that was found. Returns what is to
            be called instead of `notify`, where Ctrl-C is somebody else's.
    """

    def __init__(
        self,
        notify: Callable[[int], None] | None = None,
        ctrl_c: Callable[[Any], Callable[[int, FrameType | None], Any] | None] | None = None,
    ) -> None:
        self._notify = notify
        self.ctrl_c = ctrl_c
        """As given."""
        self.handlers = SignalHandlers(self._handle)
        """Ours, and what was found in their place."""
        self._reader, self._writer = socket.socketpair()
        self._reader.settimeout(0)
        self._writer.settimeout(0)
        self._chained: ChainedFd | None = None
        self._retired: list[ChainedFd] = []
        # Held while bytes are passed on, so that no fd is closed under its writer. No handler takes
        # it, and no forked child.
        self._read_lock = threading.Lock()
        self._interrupt: tuple[int, Callable[[FrameType | None], None]] | None = None
        self._peeked = 0  # so many bytes were read, and are still there
        self._read_at = -math.inf
        self.arrival_reports: Callable[[], Iterable[ArrivalReport]] | None = None
        """Returns what the guard has reported since the last call."""
        self.called_too: Mapping[int, Handler] = {}
        """Handlers of the program that are called after ours, by signal; they may raise."""
        self.held: Collection[int] = ()
        """Signals that are not passed on."""
        self._self_sent: list[int] = []  # numbers of signals that we have sent to ourselves

    def fileno(self) -> int:
        """Return the fd that becomes readable when there is something for `read()`."""
        return self._reader.fileno()

    @property
    def signals(self) -> frozenset[int]:
        """The signals whose handlers are ours to put back."""
        return frozenset(self.handlers.found)

    @property
    def handler(self) -> Handler:
        """The handler that is installed."""
        return self.handlers.handler

    @property
    def should_exit(self) -> bool:
        """What the server says whose handler was found; see `server_of`."""
        return bool(server_of(self.handlers.former.get(signal.SIGTERM)).should_exit)

    # -- in the main thread -------------------------------------------------------------------

    def handle(self, signals: Iterable[int]) -> list[tuple[int, float]]:
        """Handle exactly these signals: install what is missing, put back what is not named.

        With none left the wakeup fd is put back too. Only in the main thread; elsewhere it does
        nothing, as Python allows nothing. A handler that was found may raise out of it; called
        again, it does what it has not done.

        Returns:
            Signals as `read()` returns them: those that arrived where handlers were put back, and
            that nobody has read. Nobody else will.
        """
        if not is_main_thread():
            return []
        wanted, had = frozenset(signals), self.signals
        unwanted = had - wanted
        for number in unwanted:
            self.handlers.put_back(number)
        for number in wanted - had:
            self.handlers.install(number)
        if had and not wanted:
            self._leave_slot()
        # Only now: until its handler was put back, each signal wrote to our fd.
        unread = self.read(is_main=True) if unwanted else []
        if had and not wanted:
            self._close_chained()
        for number in unwanted:
            self.handlers.drop(number)
        self.reclaim()
        return unread

    def reclaim(self) -> None:
        """Take back the wakeup fd, and handlers that somebody has reset."""
        if self.handlers.found and is_main_thread():
            self._take_slot()
            self.handlers.reinstall_reset()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # Runs between any two bytecodes of the main thread: no lock, no log, and of asyncio only
        # the one call that is made for it (its own Runner's handler makes it as well). The C part
        # has delivered the number already, unless the slot was somebody else's.
        if number not in self.handlers.found:
            self.handlers.call_former(number, frame)  # we have left
            return
        if self._take_slot():
            self._write(bytes([number | FROM_HANDLER]))
        ours = self._interrupt
        if ours is not None and ours[0] == number:
            self._interrupt = None
            ours[1](frame)
        elif theirs := self._theirs(number):
            theirs(number, frame)
        else:
            if self._notify is not None:
                self._notify(number)
            if also := self.called_too.get(number):
                also(number, frame)

    def _theirs(self, number: int) -> Callable[[int, FrameType | None], Any] | None:
        if number != signal.SIGINT or self.ctrl_c is None:
            return None
        return self.ctrl_c(self.handlers.found.get(number))

    def _take_slot(self) -> bool:
        """Put our fd into the slot; return whether another one was there."""
        ours = self._writer.fileno()
        found = signal.set_wakeup_fd(ours, warn_on_full_buffer=False)
        if found == ours:
            return False
        self._retire()
        if found != -1:
            with contextlib.suppress(OSError):  # its owner has closed it, and left it in the slot
                self._chained = ChainedFd(found)
        return True

    def _retire(self) -> None:
        chained, self._chained = self._chained, None
        if chained is not None:
            self._retired.append(chained)

    def _leave_slot(self) -> None:
        # The flag that was found cannot be read. A warning printed by C code is the worse mistake.
        found = signal.set_wakeup_fd(self._number_to_put_back(), warn_on_full_buffer=False)
        if found not in (self._writer.fileno(), -1):
            # Another one's by now: theirs.
            signal.set_wakeup_fd(found, warn_on_full_buffer=False)

    def _number_to_put_back(self) -> int:
        chained = self._chained
        return chained.number if chained is not None and chained.is_still_there() else -1

    def _close_chained(self) -> None:
        with self._read_lock:
            self._retire()
            self._close_retired()

    # -- in any thread ------------------------------------------------------------------------

    def wake(self) -> None:
        """Wake the reader."""
        self._write(WAKE)

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # full: the reader is about to wake anyway
            self._writer.send(data)

    def interrupt(self, call: Callable[[FrameType | None], None]) -> bool:
        """Have a function called between two bytecodes of the main thread; it may raise.

        It is done by a signal that is ours to handle, which is not counted. One of the same number
        that comes from outside at that very moment merges with it, and is not counted either.

        Returns:
            Whether there is such a signal.
        """
        main, number = threading.main_thread().ident, self._standing()
        if number is None or main is None:
            return False
        self._interrupt = number, call
        self._self_sent.append(number)
        self._write(bytes([SELF_SENT]))
        if sys.platform == "win32":  # which ends Python code, and no call that waits
            _thread.interrupt_main(signal.Signals(number))
        else:
            signal.pthread_kill(main, number)
        return True

    def _standing(self) -> int | None:
        """Return a signal of ours, best one whose handler stands: in a kernel SIGINT's may not."""
        found = list(self.handlers.found)
        standing = (it for it in found if self.handlers.is_ours(signal.getsignal(it)))
        return next(standing, next(iter(found), None))

    def read(self, *, is_main: bool) -> list[tuple[int, float]]:
        """Return the signals that have arrived, and when; pass them on to the chained fd.

        The time is that of this call, unless the guard has seen the signal unread before: C code
        may have held the GIL since.

        Other readers do not see these signals: `wake()` the watchdog once they are handled. The
        main thread is never blocked here: while another thread reads, it finds nothing.

        Args:
            is_main: Whether the caller runs in the main thread.
        """
        if not self._read_lock.acquire(blocking=not is_main):
            return []
        try:
            came = [
                (byte, at)
                for byte, at in self._arrivals(is_main=is_main)
                if not self._is_self_sent(byte & ~FROM_HANDLER)
            ]
            self._pass_on(bytes(byte for byte, _ in came))
            self._close_retired()
        finally:
            self._read_lock.release()
        return [(byte & ~FROM_HANDLER, at) for byte, at in came if byte & ~FROM_HANDLER]

    def _arrivals(self, *, is_main: bool) -> list[tuple[int, float]]:
        """Return what has come since the last call, each byte with the time of it."""
        # Asked first: what the guard saw later may lack what is taken here.
        ask, peeked, before = self.arrival_reports, self._peeked, self._read_at
        reports = [report for report in (ask() if ask else ()) if report.at > before]
        data = self._take(is_main=is_main)
        now = self._read_at = time.monotonic()
        times = [min(at, now) for at in _known(reports, peeked, before)[: len(data)]]
        return [*zip(data, [*times, *[now] * (len(data) - len(times))], strict=True)]

    def _is_self_sent(self, number: int) -> bool:
        if number not in self._self_sent:
            return False
        self._self_sent.remove(number)
        return True

    def _pass_on(self, data: bytes) -> None:
        held, chained = self.held, self._chained
        theirs = bytes(byte for byte in data if 0 < byte < FROM_HANDLER and byte not in held)
        if theirs and chained is not None:
            chained.write(theirs)

    def _take(self, *, is_main: bool) -> bytes:
        """Return what has come since the last call.

        The watchdog only peeks, and takes the bytes when it comes again, which is soon. It may lose
        the GIL for good before it has passed them on. The guard counts what is unread, and would
        not know of a signal that was read.
        """
        peeked, self._peeked = self._peeked, 0
        data = b""
        with contextlib.suppress(BlockingIOError):
            if peeked:
                self._reader.recv(peeked)
            if not is_main:
                data = self._reader.recv(65536, socket.MSG_PEEK)
                self._peeked = len(data)
                return data
            while chunk := self._reader.recv(65536):
                data += chunk
        return data

    def _close_retired(self) -> None:
        while self._retired:
            self._retired.pop().close()

    # -- in a forked child --------------------------------------------------------------------

    def forget(self) -> None:
        """Give a forked child the handlers and the wakeup fd that it would have had without us.

        Unread bytes are left: the sockets are the parent's too, and a signal that had arrived there
        as it forked would be lost.
        """
        for number in self.signals:
            self.handlers.put_back(number)
        found = signal.set_wakeup_fd(-1)
        if found == self._writer.fileno():  # asyncio has emptied the slot already, from 3.12 on
            found = self._number_to_put_back()
        with contextlib.suppress(OSError):  # its owner has closed it
            signal.set_wakeup_fd(found, warn_on_full_buffer=False)
        self._retire()
        self._close_retired()
        self._reader.close()
        self._writer.close()


def _known(reports: Sequence[ArrivalReport], peeked: int, before: float) -> Sequence[float]:
    """Return when the bytes arrived, by the newest report, that were not there at the last read."""
    if not reports:
        return ()
    newest = reports[-1]
    # Earlier than that read, it is the time of a byte that was read then: the guard did not look
    # in between, and takes the same signal again for that one. It has seen this one as it looked.
    return [at if at >= before else newest.at for at in newest.arrivals[peeked:]]
