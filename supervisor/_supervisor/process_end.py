"""What a stop does to the process itself: its forced end, its children's, the deadline at exit.

Only an outermost supervisor of the main thread ends anything. One that is inside another's block,
or in another thread, is a guest in somebody's program.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from typing import Final, NoReturn

from supervisor._core.events import Rung, StopRequest
from supervisor._core.ladder import Step
from supervisor._process.exit import (
    REPORT_SECONDS,
    die_by_signal,
    end_by_signal,
    end_with_interpreter,
    exit_now,
    prepare_end,
)
from supervisor._process.standard_streams import let_go_of_unwritable
from supervisor._reports.log import reporter
from supervisor._signals.registry import registry
from supervisor._supervisor.report import StopReport
from supervisor._supervisor.scope import StopScope
from supervisor._supervisor.stop_telemetry import StopTelemetry

FORCED: Final = 137
"""The status of a process that had to be ended from outside its loop."""


class ProcessEnd:
    """The end of the process, as far as one supervisor brings it about.

    Args:
        scope: What is stopped.
        report: Tells of it.
        telemetry: Tells of it, too.
    """

    def __init__(self, scope: StopScope, report: StopReport, telemetry: StopTelemetry) -> None:
        self._scope = scope
        self._stop = scope.stop
        self._cleanup = scope.cleanup
        self._report = report
        self._telemetry = telemetry
        self.exiting_at = math.inf
        """Until when the last report may take, once the process is being ended."""
        self.sweeps_at_any_stop = False
        """Whether children are ended at a stop that no signal has requested, too."""

    # -- while the stop is under way; in any thread -------------------------------------------

    def note_children(self, step: Step) -> None:
        """Remember what processes there are, before a step is carried out."""
        # A tool that is cancelled ends its child; the child's own would be found no more.
        is_cancel = step.rung is Rung.CANCEL
        if (is_cancel and self._stop.ladder_state.exits) or self._cleanup.sweeps_all:
            self._cleanup.scan()

    def end_children_if_late(self) -> None:
        """End the children from ABANDON on; in any thread, because the loop may be stuck."""
        if self._stop.rung >= Rung.ABANDON and (self._stop.exits or self.must_sweep):
            self.begin_to_end_children()

    def begin_to_end_children(self) -> None:
        """Have another thread end the children, by the deadline."""
        deadline = self._stop.deadline
        left = math.inf if deadline is None else max(0.0, deadline - registry.clock.now())
        self._cleanup.end_in_background(left)

    @property
    def must_sweep(self) -> bool:
        """Whether no process that was started here is to be left."""
        is_due = self._stop.is_by_signal or (
            self.sweeps_at_any_stop and self._stop.request is not None
        )
        return self._cleanup.sweeps_all and is_due

    def exit(self) -> None:
        """End the process by force, where that is ours to do: EXIT has come."""
        if not self._scope.nesting.may_exit or self.is_dropped:
            return
        # Late, if at all: from here on the report has its time.
        self.exiting_at = registry.clock.now() + REPORT_SECONDS
        registry.update_guard()
        request = self._stop.request
        why = request.reason if request is not None else "Stopped"
        line = f"supervisor: {why}; something refused to stop, ending the process (status {FORCED})"
        exit_now(
            FORCED,
            functools.partial(self._last_words, line),
            functools.partial(self._look_last, FORCED),
        )

    def _last_words(self, line: str) -> None:
        wait_for_telemetry = self._telemetry.begin_forced_end(REPORT_SECONDS)
        self._report.last_words(line, FORCED)
        wait_for_telemetry()

    @property
    def is_dropped(self) -> bool:
        """Whether the loop was closed around an open block: its program has dropped it."""
        return self._has_lost_loop and not self._scope.phase.is_over

    @property
    def _has_lost_loop(self) -> bool:
        loop = self._scope.home.loop
        return loop is not None and loop.is_closed() and not self._cleanup.ends_with_program

    def _look_last(self, status: int) -> None:
        self._cleanup.final_sweep(status, can_exec=registry.guard is not None)

    # -- at the end of the program ------------------------------------------------------------

    def bound_what_refuses(self) -> None:
        """Begin a stop if runs that were given up are still at work though the block is left.

        The end of a loop waits for all tasks, however long one of them refuses to end. Without a
        stop there would be no deadline for that.
        """
        if self._stop.request is None and self._stop.exits and self._scope.nesting.run_count:
            self._stop.ask(StopRequest(reason="The main coroutine has ended", rung=Rung.CANCEL))
            self._stop.go_to(Rung.CANCEL)
            registry.wake_watchdog()

    def with_interpreter(self) -> None:
        """Have the ladder, if there was a stop, hold for the interpreter's end too."""
        self.hold_deadline()
        if self.must_sweep and self._cleanup.ends_with_program:
            self._cleanup.sweep_at_exit(self._deadline())
        else:
            self._cleanup.stop_adopting()

    def hold_deadline(self) -> None:
        """Have the rest of the ladder hold where the interpreter's own end takes too long."""
        if self._stop.request is None or not self._scope.nesting.may_exit:
            return
        if self._stop.never_exits or self._has_lost_loop:
            return  # it is somebody else's process, whose end is none of the stop's
        at = registry.clock.to_monotonic(self._abandon_at())
        ends = [(at, self._sweep)] if self.must_sweep else []
        deadline = self._deadline()
        if deadline is not None:
            ends.append((deadline, self.exit))
        if ends:
            reporter.start()
            end_with_interpreter(ends)

    def _sweep(self) -> None:
        # The interpreter is at its end, and may be waiting for a thread that waits for a child.
        self._cleanup.sweep(self._deadline())

    def _deadline(self) -> float | None:
        """Return when the process is to be gone, by `time.monotonic()`; None for never."""
        deadline = self._stop.deadline
        return registry.clock.to_monotonic(deadline) if deadline is not None else None

    def _abandon_at(self) -> float:
        """Return when ABANDON was entered, or would be."""
        state, ladder = self._stop.ladder_state, self._stop.ladder
        if state.deadline is not None:
            return state.deadline - ladder.abandon
        left = [rung for rung in Rung if state.rung <= rung < Rung.ABANDON]
        return state.entered_at + sum(map(ladder.seconds, left))

    def by_signal(self, number: int) -> NoReturn:
        """End the process by this signal, and what it has started."""
        if not self._cleanup.sweeps_all:
            end_by_signal(number)
        sweep = functools.partial(self._cleanup.sweep_once_more, self._deadline())
        end_by_signal(number, self._cleanup.scan, sweep, self._look_last)

    def in_order(self, conclude: Callable[[], int]) -> int:
        """End the process in order, with a status that is known in the last moment only.

        The ladder holds meanwhile: a signal may still come while threads are waited for.

        Args:
            conclude: Called when nothing is left to be done; returns the status, or -n for signal
                n. A signal that comes later changes nothing any more.

        Returns:
            The status, where the interpreter is to end by itself: there was no stop.
        """
        prepare_end(self._scan_if_due, self._sweep_if_due)
        status = conclude()
        if status < 0:
            die_by_signal(-status, self._look_last)
        if self._stop.request is None:
            let_go_of_unwritable()
            return status
        try:
            self._look_last(status)
        finally:
            os._exit(status)

    def _scan_if_due(self) -> None:
        if self.must_sweep:
            self._cleanup.scan()

    def _sweep_if_due(self) -> None:
        if self.must_sweep:
            self._cleanup.sweep_once_more(self._deadline())
