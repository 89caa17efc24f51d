"""What each step of a stop means for the runs, the tasks and the body of one block."""

from __future__ import annotations

from supervisor._core.asyncio_tools import cancel, leave_behind
from supervisor._core.events import Rung, StopRequest
from supervisor._core.ladder import Move, Step
from supervisor._core.stoppable import apply_to_all
from supervisor._reports import log_events
from supervisor._signals.registry import registry
from supervisor._supervisor.gc_pause import MANY
from supervisor._supervisor.report import StopReport
from supervisor._supervisor.scope import BlockPhase, StopScope


class StepRunner:
    """Carries out the steps of one supervisor's stop, in its loop.

    Args:
        scope: What is stopped.
        report: Tells of it.
    """

    def __init__(self, scope: StopScope, report: StopReport) -> None:
        self._scope = scope
        self._report = report

    def carry_out(self, step: Step) -> None:
        """Do what a step says."""
        request = self._scope.stop.request
        if self._scope.phase is BlockPhase.CLOSED or request is None:
            return
        if step.move is Move.ENTER and step.rung < Rung.EXIT:
            self._scope.nesting.guests.tell(request, step.rung)
        if self._scope.announcement.request is None:
            self._scope.note_work_of_body()
            self._scope.results.watch()
            self._scope.announcement.make(request)
        if step.rung is Rung.EXIT or step.move is Move.SPENT:
            self._spend(step, request)
        elif step.move is Move.AGAIN:
            self._apply(step, request)
        else:
            self._enter(step, request)
        self._scope.wake()

    def _enter(self, step: Step, request: StopRequest) -> None:
        self._report.say(step, request)
        self._scope.announcement.enter(step.rung)
        for child in list(self._scope.nesting.children):
            child.follow(request, step.rung)
        if step.rung >= Rung.CANCEL and self._scope.nesting.run_count > MANY:
            self._scope.gc_pause.begin(self._scope.nesting.run_count, registry.clock.now())
        if step.rung is Rung.CANCEL:
            self._cancel(step, request)
        elif step.rung is Rung.ABANDON:
            self._abandon(step, request)
        else:
            self._apply(step, request)

    def _cancel(self, step: Step, request: StopRequest) -> None:
        scope = self._scope
        spared = scope.spared()
        now = scope.stop.cancelled_at = registry.clock.now()  # not `step.at`: the loop may be late
        apply_to_all(step, scope.runs, request, scope.stop.ladder)
        if scope.token is not None:
            scope.token.cancel(request.reason)
        for task in scope.spawned.alive - spared:
            cancel(task)
        if scope.body is not None and scope.body.task not in spared:
            self._cancel_body(now)

    def _abandon(self, step: Step, request: StopRequest) -> None:
        scope = self._scope
        self._report.left(log_events.STILL_AT_WORK)
        now = registry.clock.now()
        scope.stop.cancelled_at = scope.stop.cancelled_at or now
        apply_to_all(step, scope.runs, request, scope.stop.ladder)
        for task in scope.spawned.alive:
            cancel(task)
        self._cancel_body(now)

    def _spend(self, step: Step, request: StopRequest) -> None:
        """Leave what refuses: the ladder has ended, and the process is not ours to end."""
        self._scope.stop.is_spent = True
        self._report.left(log_events.REFUSED_TO_STOP)
        self._apply(step, request)
        if self._scope.stop.never_exits:  # nor may it keep a host that ends by itself
            for run in list(self._scope.runs):
                run.leave_behind()
            leave_behind(*self._scope.spawned.alive)

    def _apply(self, step: Step, request: StopRequest) -> None:
        apply_to_all(step, self._scope.runs, request, self._scope.stop.ladder)

    def _cancel_body(self, at: float) -> None:
        body = self._scope.body
        if body is not None and self._scope.phase is BlockPhase.OPEN:
            body.cancelled_at = body.cancelled_at or at
            body.cancel()
