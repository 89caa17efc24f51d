"""One stop in progress: signals and the time come in, in any thread; steps are taken in the loop.

The rules (`_core/ladder.py`) say what follows from a fact; here it is seen to that it follows in
time. A loop can be late in two ways. One that is blocked takes no steps: at ABANDON, what blocks
it is interrupted (`stuck_loop.py`). And where it was blocked through all of CANCEL, it would cancel
and abandon in one breath: then what was cancelled only now is given half of ABANDON's seconds to
end in order.

EXIT is carried out in the thread in which it came out, because the loop may be what is stuck.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import signal
import sys
from collections import deque
from collections.abc import Callable
from typing import Final

from supervisor._core.events import Rung, StopRequest
from supervisor._core.ladder import LadderState, Step
from supervisor._signals.guard_state import RESERVE_SECONDS, GuardState
from supervisor._signals.handlers import is_main_thread
from supervisor._signals.registry import registry
from supervisor._supervisor.process_end import ProcessEnd
from supervisor._supervisor.readiness import Readiness
from supervisor._supervisor.report import StopReport
from supervisor._supervisor.scope import StopScope
from supervisor._supervisor.settings import SupervisorSettings
from supervisor._supervisor.steps import StepRunner
from supervisor._supervisor.stuck_loop import StuckLoop, report_interruptions

_SWITCH_SECONDS: Final = 0.0005


class Escalation:
    """The stop of one supervisor, as it climbs the ladder; the registry's `Listener`.

    Args:
        settings: The supervisor's.
        scope: What is stopped.
        end: What the stop does to the process.
        report: Tells of it.
        readiness: Tells those that watch over the process.
    """

    def __init__(
        self,
        settings: SupervisorSettings,
        scope: StopScope,
        end: ProcessEnd,
        report: StopReport,
        readiness: Readiness,
    ) -> None:
        self.scope = scope
        self.handled = settings.handled
        """The signals that it wants to hear of."""
        self._settings = settings
        self._stop = scope.stop
        self._end = end
        self._readiness = readiness
        self._runner = StepRunner(scope, report)
        self._steps: deque[Step] = deque()  # to be carried out in the loop
        self._has_begun = False
        self._is_late = False  # ABANDON waits for what was cancelled late
        self._stuck = StuckLoop(report.stuck)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.on_dropped: Callable[[int], None] = lambda _: None
        """Called in the handler of a signal for which the loop is closed, and can take no step."""
        self._stop.on_step = self._pass_on
        scope.interrupts.handles_sigint = signal.SIGINT in settings.handled
        scope.interrupts.notebook.on_kept_open = self._be_interactive

    # -- what comes in, in any thread ----------------------------------------------------------

    def request_stop(self, reason: str, rung: Rung) -> None:
        """Climb, because code asks for a stop; once the block was left, do nothing.

        Raises:
            UsageError: For RUNNING, and for EXIT where the process is not the supervisor's to end.
        """
        if self.scope.phase.is_over:
            return
        self._stop.ladder_state.check_request(rung)
        if self.scope.body is not None:
            self.scope.body.note_that_it_knows()
        self._stop.ask(StopRequest(reason=reason, rung=rung))
        self._stop.go_to(rung)
        registry.wake_watchdog()

    @property
    def is_running(self) -> bool:
        """Whether Ctrl-C at a prompt is for it: its loop runs, or has still to be made.

        Not where the block is kept open over several inputs, and has no run.
        """
        loop = self.scope.home.loop
        return loop is None or (
            loop.is_running() and not self.scope.interrupts.notebook.is_for_cell
        )

    def notify(self, number: int, poll: Callable[[], None]) -> None:
        """Have the loop call `poll`, because a signal has arrived; in its handler.

        The request is made at once: the watchdog may have read the signal and wait for the
        interpreter's lock, while the loop comes to what the signal has done to others.
        """
        if self.scope.interrupts.notebook.is_interactive:
            self.scope.interrupts.notebook.note_kept_open()
        if number in self._settings.signals:
            self._ask(number)
        elif number in self.handled:
            self.scope.interrupts.note()
        if not _call_soon(self.scope.home.loop, poll):
            self.on_dropped(number)

    def on_signal(self, number: int, at: float, now: float) -> None:
        """Climb, or interrupt, for a signal has arrived; in the watchdog's thread, or in the loop.

        Args:
            number: The signal.
            at: When it arrived, by the clock of the ladders.
            now: The time.
        """
        if self.scope.interrupts.notebook.is_interactive:
            self.scope.interrupts.notebook.note_kept_open()
        if number not in self._settings.signals:
            self.scope.interrupts.on_signal(at)
            return
        self._ask(number)
        if self.scope.nesting.obeys_others:
            self.scope.nesting.clip()
        self._stop.signal(number, self._settings.signals[number], at, now)

    def _be_interactive(self) -> None:
        others = {it: at for it, at in self._settings.signals.items() if it != signal.SIGINT}
        self._settings = dataclasses.replace(self._settings, signals=others)

    def _ask(self, number: int) -> None:
        if self._stop.request is None:
            found, entry = signal.Signals(number), self._settings.signals[number]
            name = found.name
            self._stop.request = StopRequest(
                reason=f"Stopped by {name}", rung=entry, signal=found, cause=name
            )

    def on_time(self, now: float) -> float | None:
        """Do what it is time for; return when to be called next. In the watchdog's thread, too."""
        self._stop.tick(now)
        self._end.end_children_if_late()
        self.scope.gc_pause.look(now)
        is_waited_for = self._stop.rung >= Rung.ABANDON and bool(self._steps) and not self._is_late
        wanted = (
            self._stuck.look(now, is_waited_for=is_waited_for),
            self._stop.ladder_state.next_at,
            self.scope.gc_pause.until,
            self.scope.interrupts.on_time(now),
        )
        return min((at for at in wanted if at is not None), default=None)

    @property
    def guard_state(self) -> GuardState | None:
        """What the guard has to know; None where none is wanted."""
        if not self._settings.guard or not self.scope.nesting.may_exit:
            return None
        ladder, deadline = self._stop.ladder, self._stop.deadline
        is_endless = math.isinf(ladder.abandon)
        if deadline is not None and self._end.exiting_at < math.inf:
            deadline = max(deadline, self._end.exiting_at)
        return GuardState(
            self._stop.rung,
            math.inf if deadline is None else deadline,
            [math.inf if is_endless else ladder.budget(rung) for rung in Rung],
            self._settings.signals,
            self._stop.ladder_state.counted,
            is_program=self.scope.cleanup.sweeps_all,
        )

    # -- steps: from the facts to the loop -----------------------------------------------------

    def _pass_on(self, step: Step) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._begin()
        # First, where rungs before it are over as well: told of those, the loop could come to the
        # program's end while the reason of the forced one is still being written.
        if self._stop.rung is Rung.EXIT:
            self._end.exit()
        self._end.note_children(step)
        self._steps.append(step)
        _call_soon(self._loop, self._carry_on_if_due)

    def _begin(self) -> None:
        assert self._stop.request is not None, "it is set before the ladder is climbed"
        self.scope.nesting.guests.note_work(self._stop.request)
        self._readiness.tell_stopping()
        self._switch_threads_often()

    def _switch_threads_often(self) -> None:
        # Python that computes keeps the watchdog from the interpreter for this long each time. Only
        # in the block, which puts back what it has found.
        if self._loop is not None and self._has_begun:
            sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_SECONDS))

    # -- in the loop --------------------------------------------------------------------------

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Carry out the steps in this loop from here on, also those that came before."""
        self._loop = loop
        self._stuck.is_interrupted = is_main_thread()
        self._switch_threads_often()
        loop.call_soon(self._carry_on)

    def close(self) -> None:
        """Look at the time no more."""
        if self._timer is not None:
            self._timer.cancel()

    def catch_up(self) -> None:
        """Carry out what a signal has led to; in the main thread's loop.

        Where the watchdog has read it, and has not told of it yet, begin no turn meanwhile.
        """
        is_here = asyncio.get_running_loop() is self._loop
        if is_here and self.scope.interrupts.request is not None:
            self.scope.interrupts.carry_out()
        if is_here and self._steps:
            self._carry_on()
        else:
            self.scope.hold_back()

    def _carry_on_if_due(self) -> None:
        if self._steps:
            self._carry_on()

    def _carry_on(self) -> None:
        if self._stuck.was_stuck:
            report_interruptions()
        while self._steps and not self._is_late:
            step = self._steps.popleft()
            self._runner.carry_out(step)
            self._is_late = step.rung is Rung.CANCEL and self._must_abandon_next()
            if self._is_late:
                loop = asyncio.get_running_loop()
                loop.call_later(self._stop.ladder.abandon / 2, self._be_late_no_more)
        self._look_at_the_time()

    def _be_late_no_more(self) -> None:
        self._is_late = False
        self._carry_on()

    def _must_abandon_next(self) -> bool:
        is_bounded = self._stop.ladder.abandon < math.inf
        return is_bounded and bool(self._steps) and self._steps[0].rung is Rung.ABANDON

    def _look_at_the_time(self) -> None:
        """Climb by a timer of the loop too: a busy loop can keep the watchdog waiting."""
        if self._timer is not None:
            self._timer.cancel()
        registry.look_for_debugger()
        delay = registry.clock.seconds_until(self.on_time(registry.clock.now()))
        if delay is not None and not self.scope.phase.is_over:
            self._timer = asyncio.get_running_loop().call_later(delay, self._look_at_the_time)


def _call_soon(loop: asyncio.AbstractEventLoop | None, callback: Callable[[], None]) -> bool:
    # As `HomeLoop.call_soon`; here, because it is on each signal's way. False: the loop is closed.
    if loop is not None:
        try:
            loop.call_soon_threadsafe(callback)
        except RuntimeError:  # only EXIT is left, or the watchdog looks
            return False
    return True


def deadline_clock(settings: SupervisorSettings) -> Callable[[int, float], float | None]:
    """Make a ladder for another process, which hears the same signals.

    Returns:
        What takes a signal and the time of its arrival, and returns when the process has to be
        gone: inf for never, None where the signal asks for nothing.
    """
    state = LadderState(settings.ladder, exits=settings.exits)

    def deadline(number: int, now: float) -> float | None:
        entry = settings.signals.get(number)
        if entry is None:
            return None
        state.tick(now)
        state.signal(number, entry, now)
        return math.inf if state.deadline is None else state.deadline + RESERVE_SECONDS

    return deadline
