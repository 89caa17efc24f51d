"""The signals of a supervisor that lives in somebody's server: heard at once, handed on later.

The hold begins with the first signal: our ladder starts, and the server knows nothing yet. It ends
when no response that carries a run is being sent and no run is left; when the ladder has ended; or
at a further signal. Then the server hears what has arrived (`_signals/held.py`).
"""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable
from typing import Final

from supervisor._core.events import Rung, StopRequest
from supervisor._reports import log_events
from supervisor._reports.log import reporter
from supervisor._signals.handlers import is_main_thread
from supervisor._signals.held import QUICK, HeldSignals
from supervisor._signals.registry import registry
from supervisor._supervisor import worker_event
from supervisor._supervisor.facade import Supervisor, parts_of
from supervisor._supervisor.scope import StopScope
from supervisor._supervisor.worker_event import WorkerEvent

SHUTS_DOWN: Final = "The server shuts down"
"""The reason of a stop that the server tells us of by itself."""


class HostSignals:
    """The held signals of one supervisor.

    Args:
        sup: The supervisor, whose block is open.
        is_sending: Returns whether a response that carries a run has not sent its last byte yet.
    """

    def __init__(self, sup: Supervisor, *, is_sending: Callable[[], bool]) -> None:
        parts = parts_of(sup)
        self._scope = parts.scope
        self._is_sending = is_sending
        self._held = HeldSignals(parts.escalation, self._scope.home.call_soon, self._on_held)
        parts.block.on_give_back = self._held.drop
        self._event = WorkerEvent(self._on_event)

    @property
    def is_held(self) -> bool:
        """Whether a signal has arrived that the server has not heard of yet."""
        return self._held.is_holding

    def open(self) -> None:
        """Hold signals from here on; in the block.

        Outside the main thread none are heard, and that is said once.
        """
        if not is_main_thread():
            if not registry.is_in_use:  # else a supervisor of the main thread hears, and tells us
                say_that_stops_are_not_heard("it runs outside the main thread")
            return
        self._scope.on_change = self._look_if_over
        self._have_body_around_wait()
        self._held.open()
        if worker_event.is_needed():
            self._watch_event()

    def _have_body_around_wait(self) -> None:
        # It awaits the server, which hears of the stop when it is handed on: it has until ABANDON.
        around = self._scope.nesting.around
        while around is not None:
            assert around.body is not None, "its block is open, or was"
            around.body.is_work = True
            around = around.nesting.around

    def _watch_event(self) -> None:
        if self._event.is_found:
            self._event.watch()
        else:
            say_that_stops_are_not_heard(
                "this worker of hypercorn has no event that tells it of them"
            )

    def look(self) -> None:
        """Go on top again of handlers and of a wakeup fd that the server has set meanwhile.

        Call it when start-up is over, and with requests. It takes some twenty microseconds.
        """
        if is_main_thread():
            self._held.look()

    def note_sent(self) -> None:
        """Note that a response has sent its last byte: the hold may be over."""
        self._look_if_over()

    def close(self) -> None:
        """Hand on what is still held, and put back what was found.

        Call it once the block is left: a signal that comes before still stops what the block waits
        for. A handler of the server's may raise out of it.
        """
        self._scope.on_change = None
        self._event.close()
        self._held.close()

    def _on_held(self, number: int) -> None:
        # In any thread. Soon, because the supervisor hears of the signal after us.
        if number in QUICK:
            found = signal.Signals(number)
            reason = f"Stopped by {found.name}"
            self._stop(StopRequest(reason=reason, rung=Rung.CANCEL, signal=found, cause=found.name))
        self._scope.home.call_soon(self._look_if_over)

    def _on_event(self, grace: float) -> None:
        # In a thread of its own.
        self._scope.stop.clip(registry.clock.now() + grace)
        self._stop(StopRequest(reason=SHUTS_DOWN, rung=Rung.DRAIN))

    def _stop(self, request: StopRequest) -> None:
        self._scope.stop.ask(request)
        self._scope.stop.go_to(request.rung)
        registry.wake_watchdog()

    def _look_if_over(self) -> None:
        if self._held.is_holding and self._is_over():
            # By a step of its own: a handler may raise.
            self._scope.home.call_soon(self._held.hand_over)

    def _is_over(self) -> bool:
        return self._held.must_end or self._scope.stop.is_spent or not self.is_at_work

    @property
    def is_at_work(self) -> bool:
        """Whether there is a run, or a response with a run that has not sent its last byte."""
        return self._is_sending() or _has_runs(self._scope) or self._scope.is_read


def _has_runs(scope: StopScope) -> bool:
    """Return whether a run is at work: here, inside, or on another loop that this stop concerns."""
    if any(not run.is_over for run in scope.runs) or scope.nesting.guests.are_busy:
        return True
    return any(map(_has_runs, scope.nesting.children))


@functools.cache  # once in a process
def say_that_stops_are_not_heard(why: str) -> None:
    reporter.event(log_events.SIGNALS_NOT_HEARD, why=why)
    # Terminal or not: a service that is deaf has none.
    reporter.write(
        f"supervisor: stops of this server are not heard: {why}; "
        "call sup.stop() before the server is stopped\n"
    )
