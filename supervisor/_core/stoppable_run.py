"""A run, as its supervisor sees it: a `Stoppable` over an adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from supervisor._core.adapter import AnyAdapter
from supervisor._core.asyncio_tools import leave_behind
from supervisor._core.channel import Channel
from supervisor._core.events import Rung, StopRequest
from supervisor._core.readers import Readers
from supervisor._core.run_state import Phase, RunState
from supervisor._core.run_telemetry import tell_given_up, tell_rung
from supervisor._core.settings import Ladder
from supervisor._core.stoppable import Owner, OwnStop
from supervisor._core.tasks import SCOPE, AnyTask
from supervisor._core.teardown import Teardown
from supervisor._reports import log_events
from supervisor._reports.findings import TaskInfo
from supervisor._reports.log import reporter


class StoppableRun:
    """The stop of one run, by its supervisor or of its own.

    Over the limit because it answers each question of a stop about one and the same run.

    Args:
        owner: The supervisor.
        adapter: What is run.
        state: The run's.
        channel: The run's.
        readers: The run's.
    """

    def __init__(
        self,
        owner: Owner,
        adapter: AnyAdapter,
        state: RunState[Any],
        channel: Channel[Any],
        readers: Readers,
    ) -> None:
        self.on_settled: Callable[[], None] = lambda: None
        """Called when nothing of the run is at work any more after a stop."""
        self.on_unconcluded: Callable[[], None] = lambda: None
        """Called when the conclusion is given up."""
        self._owner = owner
        self._seconds = min(owner.ladder.cancel, Ladder().cancel)
        self._adapter = adapter
        self._state = state
        self._channel = channel
        self._readers = readers
        self._teardown: Teardown | None = None
        self._own_stop: OwnStop | None = None

    def __repr__(self) -> str:
        request = self._state.request
        why = f": {request.reason}" if request else ""
        return f"<Run of {self.name!r} {self._state.phase.value}{why}>"

    # -- what it tells --------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of what is run."""
        return self._adapter.name

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for any more."""
        return self._state.is_over

    @property
    def readers(self) -> list[AnyTask]:
        """The tasks that have awaited or iterated the run."""
        return list(self._readers.tasks)

    @property
    def unread(self) -> int:
        """How many of its events were not read yet."""
        return self._channel.unread

    @property
    def is_inside(self) -> bool:
        """Whether the calling code is one of the run's own tasks."""
        return SCOPE.get() is self._adapter.scope

    @property
    def is_given_up(self) -> bool:
        """Whether something of the run has refused to end."""
        return self._state.is_given_up

    @property
    def quarantined(self) -> object | None:
        """What is run, while that may not be used."""
        return self._adapter.subject if self._state.is_given_up else None

    def active_agents(self) -> list[str]:
        """Return who is interrupted by a stop."""
        return self._adapter.active_agents()

    def tasks_at_work(self, asked: float | None) -> list[TaskInfo]:
        """Return its tasks that are at work, for a report.

        Args:
            asked: Seconds since they were asked to end.
        """
        teardown = self._teardown
        tasks = self._adapter.scope.at_work() if teardown is None else teardown.pending()
        return self._adapter.task_infos(tasks, asked)

    # -- stopping -------------------------------------------------------------------------------

    def stop(self, reason: str, cause: str = "code") -> None:
        """Stop this run, and no other; from any thread, and as often as you like."""
        self._state.is_stop_called = True
        loop = self._state.loop
        if loop is None:
            self.stop_now(reason, cause)
        elif not loop.is_closed():
            loop.call_soon_threadsafe(self.stop_now, reason, cause)

    def stop_now(self, reason: str, cause: str = "code") -> None:
        """Stop this run alone, in the loop."""
        request = StopRequest(reason=reason, rung=Rung.CANCEL, cause=cause)
        state = self._state
        if state.phase is Phase.CREATED:
            state.request = state.request or request
        # One that has ended by itself may wait for its store, without a limit until now.
        is_unbounded = state.phase is Phase.STOPPING and state.request is None
        if state.phase is Phase.ACTIVE or (is_unbounded and self._own_stop is None):
            self._begin_own_stop(request)

    def drain_alone(self, reason: str, cause: str = "code") -> None:
        """Drain this run, and no other, without a time limit; from any thread."""
        request = StopRequest(reason=reason, rung=Rung.DRAIN, cause=cause)
        loop = self._state.loop
        if loop is None:
            self._state.request = self._state.request or request
        elif not loop.is_closed():
            loop.call_soon_threadsafe(self._drain_alone, request)

    def _drain_alone(self, request: StopRequest) -> None:
        self._note_who_is_first()
        self.drain(request)

    def interrupt(self, request: StopRequest) -> OwnStop | None:
        """Stop this run alone; if it is being stopped already, enter ABANDON.

        Returns:
            Its own stop; None if an interrupt does not concern it.
        """
        if not self._adapter.is_interruptible or self.is_over:
            return None
        if self._own_stop is not None:
            self._own_stop.abandon()
            return self._own_stop
        return self._begin_own_stop(request)

    def fail(self) -> None:
        """Stop this run alone, for it has failed; what it has yielded can still be read."""
        request = StopRequest(reason="The run has failed", rung=Rung.CANCEL)
        self.settle(request)
        self._begin_own_stop(request)

    def _begin_own_stop(self, request: StopRequest) -> OwnStop:
        loop = cast(asyncio.AbstractEventLoop, self._state.loop)
        self._note_who_is_first()
        own = self._own_stop = OwnStop(self, self._owner, loop, request)
        own.begin()
        return own

    def _note_who_is_first(self) -> None:
        # The supervisor's stop may be known already, and not carried out yet.
        is_first = self._state.request is None and self._owner.stop_request is None
        self._state.is_stopped_alone |= is_first

    def drain(self, request: StopRequest) -> None:
        """Let the turn finish that is being taken, and begin no other."""
        if self._state.phase is Phase.ACTIVE:
            self._state.request = self._state.request or request
            self._state.is_draining = True
            if self._state.is_observed:
                tell_rung(self._state, self._owner, Rung.DRAIN)
            self._adapter.drain()
            self.boundary()

    def boundary(self) -> None:
        """End a run that drains, where that interrupts nothing now."""
        state = self._state
        is_draining = state.is_draining and state.phase is Phase.ACTIVE
        if is_draining and state.request is not None and self._adapter.is_at_boundary:
            self.settle(state.request)

    def cancel(self, request: StopRequest) -> None:
        """Enter CANCEL: nothing but the final result is yielded any more."""
        if self._state.phase is Phase.ACTIVE:
            self._state.is_draining = False
            self._channel.withhold()
            self.settle(request)
            if self._state.is_observed:
                tell_rung(self._state, self._owner, Rung.CANCEL)

    def settle(self, request: StopRequest) -> None:
        """Cancel all that is at work, and wait for its end."""
        self._state.request = self._state.request or request
        self._state.phase = Phase.STOPPING
        self._teardown = self._adapter.settle(self.on_settled, self._seconds)
        self._teardown.cancel_all()
        self._channel.wake()

    def cancel_again(self) -> None:
        """Cancel once more what was cancelled and still runs."""
        if self._teardown is not None and self._state.is_settling:
            self._teardown.cancel_all()

    def abandon(self, request: StopRequest) -> None:
        """Enter ABANDON: what still runs is cancelled again and again."""
        self.cancel(request)
        if self._state.is_observed and not self.is_over:
            tell_rung(self._state, self._owner, Rung.ABANDON)
        if self._state.conclusion is not None:
            self._state.conclusion.cancel()
        elif self._teardown is not None and self._state.is_settling:
            self._teardown.abandon()

    def give_up(self, seconds: float) -> None:
        """Put what is run into quarantine: something of the run refused to end.

        Args:
            seconds: How long it has been asked to.
        """
        state, teardown = self._state, self._teardown
        with state.bound():
            if state.conclusion is not None and not state.is_over:
                self._adapter.unconcluded()
                self.on_unconcluded()
            if teardown is None or not state.is_settling or state.is_given_up:
                return
            if not teardown.left():
                reporter.event(log_events.HELPER_REFUSED)
                teardown.leave_helpers()
                return
            state.is_given_up = True
            state.error = self._adapter.refused(teardown.left(), seconds)
        tell_given_up(state, self._owner)
        teardown.give_up()
        self._channel.wake()
        self._owner.wake()

    def leave_behind(self) -> None:
        """Have the end of the loop not wait for it, where it was given up."""
        if self._state.is_given_up:
            leave_behind(*self._adapter.scope.alive())

    def end(self) -> None:
        """Take no further step; the run is over."""
        if self._own_stop is not None:
            self._own_stop.end()
