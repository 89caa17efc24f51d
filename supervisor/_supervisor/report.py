"""What is said of one supervisor's stop: to a person at the terminal, on stderr, and in the log."""

from __future__ import annotations

import signal
from collections.abc import Collection, Sequence
from typing import Any, Final

from supervisor._core.events import Rung, StopRequest
from supervisor._core.ladder import Step
from supervisor._core.stoppable import OwnStop
from supervisor._process.exit import REPORT_SECONDS
from supervisor._process.process_info import ProcessInfo
from supervisor._reports import log_events
from supervisor._reports.findings import Findings
from supervisor._reports.log import reporter
from supervisor._reports.log_events import LogEvent
from supervisor._signals.interpreters import is_in_kernel
from supervisor._signals.registry import registry
from supervisor._supervisor import at_work, progress
from supervisor._supervisor.scope import StopScope

_LEFT_AT_WORK: Final = (
    "supervisor: it is left at work. If the event loop ends, that waits for it; "
    "one more Ctrl-C ends that wait"
)
_SAY_SECONDS: Final = 0.1  # what takes longer is said at a terminal


class StopReport:
    """Tells of one supervisor's stop.

    Args:
        scope: What is stopped.
        signals: The supervisor's.
    """

    def __init__(self, scope: StopScope, *, signals: Collection[int]) -> None:
        self._scope = scope
        self._has_ctrl_c = signal.SIGINT in signals
        self.is_shown_elsewhere = False
        """Whether another one shows what `progress` returns: then it is not said on stderr."""

    def say(self, step: Step, request: StopRequest) -> None:
        """Log that a rung is entered; at a terminal, say what happens, unless it is over soon."""
        reporter.event(
            log_events.ENTERED[step.rung.name], reason=request.reason, trigger=step.trigger
        )
        loop = self._scope.home.loop
        if request.signal is None or loop is None:
            return
        if self._scope.nesting.around is not None:  # which names our agents in its own line
            return
        if self.is_shown_elsewhere or not reporter.has_reader:
            return
        if agents := self._scope.active_agents():
            limit = progress.limit(self._scope.ladder.seconds(step.rung))
            # On a line of its own: the terminal has just shown "^C", behind what the program wrote.
            line = f"\n{self._sentence(step.rung, request, agents, limit)}"
            loop.call_later(_SAY_SECONDS, self._say_if_still_true, step.rung, line)

    def say_again(self) -> None:
        """At a terminal, say what the stop does to who presses Ctrl-C once more, for nothing."""
        if self._scope.nesting.around is None and not self.is_shown_elsewhere:
            reporter.say(f"\n{self.progress()}")

    def progress(self) -> str | None:
        """Return what the stop or the interrupt does now, for a person; in any thread.

        Returns:
            None where there is none; "" once the process is ended, which has its own words.
        """
        stop = self._scope.stop
        if stop.request is None or stop.rung is Rung.RUNNING:
            return self._interrupt(self._scope.interrupts.stop)
        if stop.rung is Rung.EXIT:
            return ""
        ends_at = stop.ladder_state.rung_ends_at
        time = progress.time_left(None if ends_at is None else ends_at - registry.clock.now())
        return self._sentence(stop.rung, stop.request, self._scope.active_agents(), time)

    def say_interrupt(self) -> None:
        """At a terminal, say what an interrupt does, unless that is over soon."""
        loop, own = self._scope.home.loop, self._scope.interrupts.stop
        if loop is None or own is None or self.is_shown_elsewhere or not reporter.has_reader:
            return
        loop.call_later(_SAY_SECONDS, self._say_interrupt_if_it_lasts, own, own.rung)

    def _say_interrupt_if_it_lasts(self, own: OwnStop, rung: Rung) -> None:
        is_true = own.rung is rung and self._scope.stop.request is None
        if is_true and (line := self._interrupt(own)):
            reporter.say(f"\n{line}")

    def _interrupt(self, own: OwnStop | None) -> str | None:
        if own is None or own.is_over:
            return None
        time, agents = progress.time_left(own.seconds_left()), self._scope.active_agents()
        # There is no rung above ABANDON for it.
        has_ctrl_c = own.rung < Rung.ABANDON
        return progress.sentence(own.rung, own.request, agents, time, has_ctrl_c=has_ctrl_c)

    def _sentence(self, rung: Rung, request: StopRequest, agents: list[str], time: str) -> str:
        can_exit = self._scope.stop.ladder_state.can_exit
        has_ctrl_c = self._has_ctrl_c
        return progress.sentence(
            rung, request, agents, time, has_ctrl_c=has_ctrl_c, can_exit=can_exit
        )

    def _say_if_still_true(self, rung: Rung, line: str) -> None:
        # Of a stop that is over by then it would be the last thing to be read, and false.
        if self._scope.stop.rung is rung and self._scope.is_working:
            reporter.say(line)

    def dump(self) -> str:
        """Return what is at work, for a person."""
        found = at_work.gather(
            self._scope.tasks_at_work,
            self._scope.home.loop,
            self._scope.cleanup.children,
            whole=True,
        )
        runs = map(repr, list(self._scope.runs))
        return "\n".join([repr(self._scope), *runs, str(found)])

    def left(self, event: LogEvent) -> None:
        """Tell who is still at work, if anybody is."""
        scope = self._scope
        found = at_work.gather(scope.tasks_at_work, scope.home.loop, scope.cleanup.children)
        if any(finding.kind != "thread" for finding in found.shown):
            line = f"supervisor: {event.name}, {scope.stop.age():.1f} s after it was asked for:"
            # In a notebook the cell shows what its run raises, which says the same.
            is_program = scope.nesting.may_exit and not is_in_kernel()
            is_loud = scope.stop.is_for_process and is_program
            self._tell(event, found, line, is_loud=is_loud)
            if is_loud and scope.stop.never_exits and event is log_events.REFUSED_TO_STOP:
                reporter.say(_LEFT_AT_WORK)

    def stuck(self) -> None:
        """Tell what blocks the loop at ABANDON."""
        home = self._scope.home
        if (
            self._scope.nesting.parent is None
            and home.loop is not None
            and not home.loop.is_closed()
        ):
            found = at_work.blocker(self._scope.tasks_at_work, home.loop, home.thread)
            age, is_loud = self._scope.stop.age(), self._scope.stop.is_for_process
            line = f"supervisor: the event loop is blocked, {age:.1f} s after the stop"
            self._tell(log_events.LOOP_BLOCKED, found, line, is_loud=is_loud)

    def killed(self, killed: Sequence[ProcessInfo]) -> None:
        """Tell of processes that did not end when they were told to; in any thread."""
        event, found = log_events.KILLED_CHILDREN, at_work.killed(killed)
        line = f"supervisor: {event.name} that did not end when they were told to:"
        self._tell(event, found, line, is_loud=True)

    def last_words(self, line: str, status: int) -> None:
        """Tell why the process is ended by force, and who is at work; kills its children.

        Called in a thread of its own, which nobody waits for long.
        """
        reporter.write(f"{line}\n")
        victims = at_work.killed(self._scope.cleanup.kill())
        left = at_work.gather(self._scope.tasks_at_work, self._scope.home.loop, whole=True)
        line = "supervisor: still at work at the end:"
        self._tell(log_events.FORCED_END, victims + left, line, is_loud=True, status=status)
        reporter.flush(REPORT_SECONDS)

    def _tell(
        self, event: LogEvent, found: Findings, line: str, *, is_loud: bool, **facts: Any
    ) -> None:
        stop = self._scope.stop
        at_work.tell(
            event,
            found,
            line=line,
            is_loud=is_loud,
            rung=stop.rung.name,
            reason=stop.request.reason if stop.request is not None else None,
            seconds=stop.age(),
            **facts,
        )
