"""What a process has only one of: the wakeup fd, the watchdog, and the list of its supervisors.

Python has one set of signal handlers and one wakeup fd, whoever sets them. Supervisors that are
nested, or run side by side, in one thread or several, therefore share one wakeup fd: the first
installs it, the last takes it back, and a signal reaches all of them, the outermost first.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Final

from supervisor._process import end_record
from supervisor._reports import log_events
from supervisor._reports.log import reporter
from supervisor._signals import debuggers
from supervisor._signals.clock import Clock
from supervisor._signals.forks import Forks
from supervisor._signals.guard import Guard, can_guard
from supervisor._signals.guard_state import IDLE
from supervisor._signals.handlers import Handler, is_main_thread
from supervisor._signals.interrupt import interrupt
from supervisor._signals.listener import Hold, Listener, handled_by
from supervisor._signals.prompt import Prompt
from supervisor._signals.wakeup import WakeupFd
from supervisor._signals.watchdog import Watchdog

_AGAIN_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.25  # between two looks for a debugger while a stop is under way
_TRACED_SECONDS: Final = 0.05  # of a stop, before the kernel is asked: most are over by then
_TRIES: Final = 3  # to put back what is put back; each can be interrupted by one more signal


class Registry:
    """The supervisors of this process, and what they share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        """Taken where supervisors come and go; a handler may look, and never wait for it."""
        self._listeners: tuple[Listener, ...] = ()
        self.owners: tuple[Listener, ...] = ()
        """Those of the main thread, the outermost first."""
        self.guests: tuple[Listener, ...] = ()
        """Those of other threads."""
        self.wakeup_fd: WakeupFd | None = None
        """The wakeup fd; None before the first supervisor."""
        self._watchdog: Watchdog | None = None
        self.guard: Guard | None = None
        """The guard. Where one was started, a fresh interpreter can be had."""
        self._prompt = Prompt(lambda: self.owners)
        self._switch_seconds = sys.getswitchinterval()  # as found: a stop changes it
        self.clock = Clock(self._is_debugged)
        """The clock of the ladders."""
        self._stopping_since: float | None = None  # a ladder waits for its time
        self.forks = Forks()
        self.hold: Hold | None = None
        """What holds signals back, where there is a host."""

    def add(self, listener: Listener) -> bool:
        """Have a supervisor hear signals and the time.

        In a thread other than the main one no handler is installed. Signals for which a supervisor
        of the main thread has installed handlers are heard all the same.

        Returns:
            False where it heard them before.

        Raises:
            OSError: Too many files are open.
            RuntimeError: No thread can be started.
        """
        if listener in self._listeners:
            return False
        try:
            with self.lock:
                self._take_in(listener)
        except BaseException:  # of a handler that was found, before ours stood
            self.leave(listener)
            raise
        return True

    def _take_in(self, listener: Listener) -> None:
        if self.wakeup_fd is None:
            self.wakeup_fd = WakeupFd(self._notify)
        self.wakeup_fd.ctrl_c = self._prompt.look()
        if self._watchdog is None:  # first: where no file or thread can be had nothing was done
            watchdog = Watchdog(self.wakeup_fd, self._on_signal, self._on_time)
            watchdog.start()
            self._switch_seconds = sys.getswitchinterval()
            self._watchdog = watchdog
        self._listeners = (*self._listeners, listener)
        if is_main_thread():
            self.owners = (*self.owners, listener)
        else:
            self.guests = (*self.guests, listener)
        self._install(self.wakeup_fd, self.owners)
        self._have_guard(self.wakeup_fd)

    def leave(self, listener: Listener) -> None:
        """Forget a supervisor; with the last one everything is put back.

        A signal that comes before the handler that was found is back is part of this one's stop.
        One that comes later goes to that handler, which may raise here (`KeyboardInterrupt`): then
        all else is put back before the exception comes out.
        """
        raised: BaseException | None = None
        for _ in range(_TRIES):
            try:
                self._let_go(listener)
                break
            except BaseException as error:  # noqa: BLE001 - it comes out below
                raised = error
        if raised is not None:
            raise raised

    def _let_go(self, listener: Listener) -> None:
        """Forget a supervisor; can be called again where it was interrupted."""
        with self.lock:
            owners = _without(self.owners, listener)
            if self.wakeup_fd is not None and not _handles_no_less(owners, listener):
                self._install(self.wakeup_fd, owners)  # while it still hears
            self.owners = owners
            self.guests = _without(self.guests, listener)
            self._listeners = _without(self._listeners, listener)
            if self.wakeup_fd is not None and self.guard is not None:
                self._have_guard(self.wakeup_fd)
            if not self._listeners and self._watchdog is not None:
                self._watchdog.stop()
                self._watchdog = None

    def _install(self, wakeup_fd: WakeupFd, owners: tuple[Listener, ...]) -> None:
        """Handle the signals that the supervisors of the main thread want to hear of.

        Not those that the others want: only the main thread can put handlers back.
        """
        hold = self.hold
        unread = wakeup_fd.handle(handled_by(owners) if hold is None else hold.wanted(owners))
        for number, at in unread:
            self._on_signal(number, at)
        if unread:
            wakeup_fd.wake()

    def reinstall(self) -> None:
        """Handle what is wanted now."""
        with self.lock:
            if self.wakeup_fd is not None:
                self._install(self.wakeup_fd, self.owners)

    def _have_guard(self, wakeup_fd: WakeupFd) -> None:
        """Start the guard, or stop it, as the supervisors of the main thread want."""
        is_wanted = any(listener.guard_state is not None for listener in self.owners)
        if is_wanted and self.guard is None and can_guard():
            try:
                self.guard = Guard(wakeup_fd.fileno())
                wakeup_fd.arrival_reports = self.guard.arrival_reports
                self.guard.hold(end_record.fds_for_guard())
            except OSError as error:  # no process or no file to be had: all else still works
                reporter.event(log_events.NO_GUARD, exc_info=error)
        elif not is_wanted and self.guard is not None and not end_record.is_needed():
            guard, self.guard = self.guard, None
            wakeup_fd.arrival_reports = None
            guard.hold(())
            guard.stop()
        self.update_guard()

    def hand_end_record_over(self) -> None:
        """Have the guard hold what it needs at the process's end.

        It stays as long as it is needed for that. None is started for it.
        """
        with self.lock:
            if self.guard is not None and self.wakeup_fd is not None:
                self.guard.hold(end_record.fds_for_guard())
                self._have_guard(self.wakeup_fd)

    @property
    def is_in_use(self) -> bool:
        """Whether a supervisor of the main thread hears signals."""
        return any(listener.handled for listener in self.owners)

    def call_too(self, handlers: Mapping[int, Handler]) -> None:
        """Have these handlers called as well, by signal, wherever ours stands."""
        if self.wakeup_fd is not None:
            self.wakeup_fd.called_too = handlers

    def update_guard(self) -> None:
        """Send the guard how far the outermost stop has gone."""
        guard = self.guard
        if guard is None:
            return
        state = next(
            (it for listener in self.owners if (it := listener.guard_state) is not None), None
        )
        if state is None:
            guard.update(IDLE)
        else:
            if self.clock.is_paused:
                state = state.without_deadline()
            elif self.clock.paused_seconds:
                state = state.delayed(self.clock.paused_seconds)
            guard.update(state)

    def look_for_debugger(self) -> None:
        """See whether a debugger is at work, for which time stands still."""
        if self.clock.check(is_watched=self._stopping_since is not None):
            if self._stopping_since is not None:
                is_paused = self.clock.is_paused
                event = log_events.TIME_STANDS_STILL if is_paused else log_events.TIME_GOES_ON
                reporter.event(event)
            self.update_guard()
            self.wake_watchdog()

    def _is_debugged(self) -> bool:
        if debuggers.is_attached():
            return True
        since = self._stopping_since
        is_long = since is not None and time.monotonic() - since >= _TRACED_SECONDS
        return is_long and debuggers.is_traced()

    def reclaim(self) -> None:
        """Take back what others have taken from the wakeup fd; in the main thread only."""
        if self.wakeup_fd is not None:
            self.wakeup_fd.reclaim()
            self.look_for_debugger()

    def wake_watchdog(self) -> None:
        """Have the watchdog ask for the time again."""
        if self.wakeup_fd is not None:
            self.wakeup_fd.wake()

    def interrupt(self, is_due: Callable[[], bool] = lambda: True) -> bool:
        """Interrupt user code that blocks the main thread; in the watchdog's thread.

        Args:
            is_due: Asked once more in the main thread, which may have come free meanwhile.
        """

        def interrupt_if_due(frame: FrameType | None) -> None:
            if is_due():
                interrupt(frame)

        return self.wakeup_fd is not None and self.wakeup_fd.interrupt(interrupt_if_due)

    def _notify(self, number: int) -> None:
        for listener in self.owners:
            listener.notify(number, lambda: self._poll(number))

    def _poll(self, number: int) -> None:
        """Read the wakeup fd in the main thread: its loop is awake, and the watchdog may not be.

        Or the watchdog has read the signal of this number, and waits for the interpreter to tell of
        it: two or three switch intervals, in which the loop would begin another turn.
        """
        if self.wakeup_fd is None or not is_main_thread():
            return
        for arrived, at in self.wakeup_fd.read(is_main=True):
            self._on_signal(arrived, at)
        # Only now: woken before, it would find nothing to wait for, and sleep for good. And not
        # later: behind this comes the user's code, which may block.
        self.wakeup_fd.wake()
        for listener in self.owners:
            if number in listener.handled:
                listener.catch_up()

    def _on_signal(self, number: int, at: float) -> None:
        """Pass a signal on to the listeners; it arrived at this `time.monotonic()`."""
        if number == signal.SIGINT and (
            debuggers.owns_ctrl_c() or (self._prompt.is_there and self._prompt.owns_ctrl_c())
        ):
            self.update_guard()  # which may have seen it: it asks for nothing
            return
        at, now = self.clock.at(at), self.clock.now()
        if self.hold is not None and self.hold.takes(number, at):
            self.update_guard()
            return
        # Guests last: what they have to do may be over soon, and the others ask them for it.
        for listener in (*self.owners, *self.guests):
            if number in listener.handled:
                try:
                    listener.on_signal(number, at, now)
                except Exception as error:  # noqa: BLE001 - of ours, if we are wrong somewhere
                    _report(error)

    def _on_time(self, _now: float) -> float | None:
        """Have the ladders climb; return the `time.monotonic()` at which to do so next."""
        self.look_for_debugger()
        now = self.clock.now()
        wanted: list[float | None] = []
        for listener in self._listeners:
            try:
                wanted.append(listener.on_time(now))
            except Exception as error:  # noqa: BLE001 - of ours, if we are wrong somewhere
                _report(error)
                wanted.append(now + _AGAIN_SECONDS)
        return self._next_look(min((at for at in wanted if at is not None), default=None))

    def _next_look(self, wanted: float | None) -> float | None:
        """Return when to look next, by `time.monotonic()`; for a debugger, too, during a stop."""
        now = time.monotonic()
        if wanted is None:
            self._stopping_since = None
        elif self._stopping_since is None:
            self._stopping_since = now
        look_at = now + _LOOK_SECONDS
        if self.clock.is_paused:
            return look_at
        return None if wanted is None else min(self.clock.to_monotonic(wanted), look_at)

    def before_fork(self) -> None:
        """Hold signals back in this thread, from here until the child has forgotten us.

        A child that gets one earlier would write it to the fd that it shares with us, and the
        parent would stop.
        """
        if self.wakeup_fd is not None:
            self.forks.block(self.wakeup_fd.signals)

    def forget(self) -> None:
        """Start anew in a forked child, which has neither our threads nor a loop of ours."""
        try:
            self._forget()
        finally:
            self.forks.unblock()
            self.forks.forget()

    def _forget(self) -> None:
        self.lock = threading.Lock()
        if self._watchdog is not None:
            self._watchdog.forget()
            sys.setswitchinterval(self._switch_seconds)
        if self.guard is not None:
            self.guard.stop()
        wakeup_fd, self.wakeup_fd, self._watchdog, self.guard = self.wakeup_fd, None, None, None
        self._listeners = self.owners = self.guests = ()
        self.clock, self._stopping_since = Clock(self._is_debugged), None
        hold, self.hold = self.hold, None
        if hold is not None:
            hold.forget()
        if wakeup_fd is not None:
            wakeup_fd.forget()
        self.forks.undo()


def _report(error: Exception) -> None:
    """Report an error, and go on: the watchdog has others to call, and this listener again."""
    reporter.event(log_events.OWN_ERROR, exc_info=error)


def _without(listeners: tuple[Listener, ...], listener: Listener) -> tuple[Listener, ...]:
    others = list(listeners)
    if listener in others:
        others.remove(listener)
    return tuple(others)


def _handles_no_less(listeners: tuple[Listener, ...], listener: Listener) -> bool:
    """Return whether the outermost of them wants all that this one wants, without asking each.

    A server may have hundreds.
    """
    return bool(listeners) and listener.handled <= listeners[0].handled


registry: Final = Registry()
end_record.watch(registry.hand_end_record_over)

if sys.platform != "win32":
    os.register_at_fork(
        before=registry.before_fork,
        after_in_parent=registry.forks.unblock,  # also where the fork has failed
        after_in_child=registry.forget,
    )
