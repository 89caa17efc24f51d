"""Interrupts: what SIGINT does where a program is interactive. It ends the runs, and nothing else.

An interrupt is no stop of the supervisor: its rung stays RUNNING, nothing is announced, and the
body, its spawned tasks and its servers go on. Each run is stopped alone (`OwnStop`), with a ladder
of its own: CANCEL at once, ABANDON as time passes or at the next SIGINT, quarantine where one
refuses. That is all that SIGINT does, however often it comes; no rung of it ends the process. So
the guard is not told of SIGINT either. Not chosen: to let the supervisor's own ladder climb, and to
take it back. A stop never goes back, and whoever had seen it (the body, a waiter, the guard) would
have to be told that it is off.

A loop that is blocked carries out nothing. What blocks it is interrupted (`_signals/interrupt.py`)
half a second after the SIGINT, or at once if there is a second one. All that come before the loop
is free again count as one.

Once the block is being left, there is no body to go back to, and SIGINT requests a stop. So it does
afterwards, while `run` waits for the end of what has refused to stop.
"""

from __future__ import annotations

import dataclasses
import math
import signal
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from supervisor._core.events import Rung, StopRequest
from supervisor._core.stoppable import OwnStop
from supervisor._reports import log_events
from supervisor._reports.log import reporter
from supervisor._signals.registry import registry
from supervisor._supervisor.notebook_block import NotebookBlock
from supervisor._supervisor.stuck_loop import STUCK_SECONDS, report_interruptions

if TYPE_CHECKING:
    from supervisor._supervisor.scope import StopScope

PATIENCE_SECONDS: Final = 0.5
"""How long code may block the loop after a SIGINT before it is interrupted."""

_ONE_PRESS_SECONDS: Final = 0.05
# Closer than this, two SIGINTs are one Ctrl-C that a terminal and a wrapper have delivered, except
# where a run has begun between them.

Callback = Callable[[int], object]


class Interrupts:
    """The interrupts of one supervisor.

    Args:
        scope: What the supervisor stops.
    """

    def __init__(self, scope: StopScope) -> None:
        self.handles_sigint = False
        """Whether its supervisor hears SIGINT by itself, to be interrupted or to stop."""
        self.request: StopRequest | None = None
        """A SIGINT that has arrived, and that the loop has not carried out yet."""
        self.on_interrupt: Callable[[], None] = lambda: None
        """Called in the loop once the runs are told to end: says so to a person."""
        self._scope = scope
        self._stops: WeakSet[OwnStop] = WeakSet()  # of the runs that were interrupted last
        self._arrived: deque[float] = deque()  # those that count, and are not carried out yet
        self._counted_at = self._began_at = -math.inf
        self._interrupt_at = math.inf  # when what blocks the loop is to be interrupted
        self._callbacks: list[Callback] = []
        self._past_tokens: WeakSet[object] = WeakSet()
        self.notebook = NotebookBlock(scope)

    def add_callback(self, callback: Callback) -> None:
        """Have a function called at each interrupt, with the number of runs that it ends."""
        self._callbacks.append(callback)

    def has_cancelled(self, token: object) -> bool:
        """Return whether this is a token of the supervisor's that an interrupt has cancelled."""
        return token in self._past_tokens

    def note_begin(self) -> None:
        """Note that a run begins: a SIGINT from now on is another one."""
        self._began_at = registry.clock.now()
        self.notebook.begin()

    @property
    def stop(self) -> OwnStop | None:
        """The stop of an interrupted run that has still to end; None where there is none."""
        return next((stop for stop in list(self._stops) if not stop.is_over), None)

    # -- in any thread --------------------------------------------------------------------------

    def note(self) -> None:
        """Note that a SIGINT has arrived: from here on runs yield nothing. In its handler."""
        if self._scope.phase.is_open and self.request is None:
            self.request = _request()

    def on_signal(self, at: float) -> None:
        """Take in a SIGINT.

        Args:
            at: When it arrived, by the clock of the ladders.
        """
        if self._scope.phase.is_over and self._counts(at):
            self._stop(_request())
        elif self._scope.phase.is_open and self._counts(at):
            self.note()
            self._interrupt_at = at if self._arrived else at + PATIENCE_SECONDS
            self._arrived.append(at)
            self._scope.home.call_soon(self.carry_out)

    def _counts(self, at: float) -> bool:
        is_for_new_run = self._counted_at < self._began_at <= at
        if at - self._counted_at < _ONE_PRESS_SECONDS and not is_for_new_run:
            return False
        self._counted_at = at
        return True

    def on_time(self, now: float) -> float | None:
        """Interrupt what blocks the loop, if it is time; return when to be called next."""
        if not self._arrived or not self._scope.home.is_in_main_thread:
            return None
        if now >= self._interrupt_at:
            self._interrupt_at = now + STUCK_SECONDS
            registry.interrupt(lambda: bool(self._arrived))
        return self._interrupt_at

    # -- in the loop ----------------------------------------------------------------------------

    def carry_out(self) -> None:
        """Interrupt the runs, if a SIGINT has arrived that counts."""
        request, self.request = self.request or _request(), None
        if not self._arrived:
            return  # one press twice; or the watchdog, which has read it, tells of it soon
        self._arrived.clear()
        report_interruptions()
        if self._scope.phase.is_leaving:
            self._stop(request)
        else:
            self._interrupt(request)

    def _interrupt(self, request: StopRequest) -> None:
        stops = self.end_runs(request)
        self._stops, count = WeakSet(stops), len(stops)
        reporter.event(log_events.INTERRUPTED_RUNS, reason=request.reason, count=count)
        self.on_interrupt()
        for callback in list(self._callbacks):
            try:
                callback(count)
            except Exception as error:  # noqa: BLE001 - an observer must not keep the others
                reporter.event(log_events.INTERRUPT_CALLBACK_FAILED, exc_info=error)

    def end_runs(self, request: StopRequest) -> list[OwnStop]:
        """Interrupt the runs, and those of supervisors inside that do not hear SIGINT."""
        stops = [stop for run in list(self._scope.runs) if (stop := run.interrupt(request))]
        self._cancel_token(request)
        for child in list(self._scope.nesting.children):
            if not child.interrupts.handles_sigint:
                stops += child.interrupts.end_runs(request)
        return stops

    def _cancel_token(self, request: StopRequest) -> None:
        token, self._scope.token = self._scope.token, None
        if token is not None:
            self._past_tokens.add(token)
            token.on_cancel = None  # which would request a stop
            token.cancel(request.reason)

    def _stop(self, request: StopRequest) -> None:
        """Stop what the block waits for; without the signal, which would be the exit status."""
        stop = self._scope.stop
        stop.ask(dataclasses.replace(request, signal=None))
        stop.go_to(Rung.ABANDON if stop.rung >= Rung.CANCEL else Rung.CANCEL)
        registry.wake_watchdog()


def _request() -> StopRequest:
    return StopRequest(
        reason="Stopped by SIGINT", rung=Rung.CANCEL, signal=signal.SIGINT, cause="SIGINT"
    )
