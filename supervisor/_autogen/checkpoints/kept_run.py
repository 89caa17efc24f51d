"""A run with an id, in its adapter: it is taken, continued, written, and given up.

The order: `prepare` in the driver, before the start; `end` once nothing of the run is at work any
more, and before its result is given.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from supervisor._autogen.checkpoints.comparison import (
    changed_shape,
    new_run,
    refuse_changed,
    refuse_session,
    result_of,
    stored_task,
)
from supervisor._autogen.checkpoints.recording import Recording
from supervisor._autogen.messages import Event, TaskResult
from supervisor._autogen.original_error import line_of
from supervisor._autogen.run_context import RunContext
from supervisor._checkpoints.kept_runs import TRY_SECONDS, KeptRuns, end_as_before
from supervisor._checkpoints.owned_run import AcquiredRun, OwnedRun
from supervisor._checkpoints.settings import KeepingSettings
from supervisor._checkpoints.snapshot import Snapshot
from supervisor._checkpoints.store import End, NewRun, RunStatus
from supervisor._checkpoints.store_thread import Outcome
from supervisor._core.adapter import Control
from supervisor._core.errors import (
    CheckpointError,
    LeaseLost,
    RunCancelled,
    RunHeld,
    StoreUnavailable,
)
from supervisor._core.run_state import Conclusion, Phase
from supervisor._reports import log_events
from supervisor._reports.log import reporter

OnEnd = Callable[[BaseException | None], None]
"""Called in the loop once a run was given up, with the error where that has failed."""


class Subject(Protocol):
    """What is run: its adapter."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def team(self) -> object:
        """The team, or the agent."""
        ...

    @property
    def context(self) -> RunContext:
        """What is at work for it."""
        ...

    @property
    def control(self) -> Control[Event, TaskResult]:
        """Its run."""
        ...

    def result(self) -> TaskResult:
        """Return what the run has come to, in all processes."""
        ...


_CANCELLED: Final = "Cancelled by request"
_OF_ONE_RUN: Final = ("timeout", "client", "reader", "cancelled")
# Such a cause is of the run alone, also where its whole supervisor is stopped by it, as on the
# command line.


class KeptRun:
    """What is kept of one run.

    Args:
        runs: The supervisor's.
        run_id: The run.
        wait: For how many seconds it is waited for where somebody has it; None: as the store needs.
        allow_changed: Whether it is continued by another team, or with another task.
    """

    def __init__(
        self, runs: KeptRuns, run_id: str, *, wait: float | None, allow_changed: bool
    ) -> None:
        self.over: TaskResult | None = None
        """The result of a run that had ended before."""
        self.attempts: int | None = None
        """A run that fails is queued until it has failed so often; None: it is FAILED at once."""
        self.recording: Recording | None = None
        """What is written of it, from its start on."""
        self._runs = runs
        self._run_id = run_id
        self._wait = wait
        self._allow_changed = allow_changed
        self._taking: Outcome[AcquiredRun] | None = None
        self._owned: OwnedRun | None = None
        self._is_cancelled = False
        self._logged: BaseException | None = None
        self._on_end: OnEnd | None = None

    @property
    def settings(self) -> KeepingSettings:
        """How it is kept."""
        return self._runs.settings

    def bind(self, subject: Subject) -> None:
        """Get to know what is run."""
        self._subject = subject
        self._control = subject.control

    # -- the start ------------------------------------------------------------------------------

    async def prepare(self, task: Any, things: Sequence[object]) -> Any:
        """Take the run, and have the team stand where it stood.

        Args:
            task: What the caller gives.
            things: What is run, and the components that it holds.

        Returns:
            What the team is to be given.
        """
        team = self._subject.team
        given = None if task is None else new_run(team, self._subject.name, task)
        found = await self._take(given)
        if found.fence is not None:
            owned = self._owned = self._runs.own(found)
            owned.on_failed, owned.on_cancel = self._fail, self._cancel
        elif found.info.status is RunStatus.CANCELLED:
            raise RunCancelled(self._run_id)
        refuse_session(found.stored)
        if not self._allow_changed:
            refuse_changed(found.stored, team, given)
        if self._owned is None:
            self.over = await result_of(found.kept, team, self._run_id, self._runs.do)
            return None
        return await self._go_on(self._owned, found, task, things)

    async def _go_on(
        self, owned: OwnedRun, found: AcquiredRun, task: Any, things: Sequence[object]
    ) -> Any:
        subject = self._subject
        if found.kept is not None:
            self._tell_continued(found)
        recording = self.recording = Recording(
            owned, subject.team, subject.context, subject.control, self.settings
        )
        was = changed_shape(found.stored, subject.team) if self._allow_changed else None
        goes_on = await recording.begin(found, things, self._runs.do, was)
        self._taking = None  # the team has it: no run keeps a second one in memory
        self.over = recording.over
        if goes_on:
            return None
        return stored_task(found.stored, subject.team) if task is None else task

    def _tell_continued(self, found: AcquiredRun) -> None:
        info = found.stored.info
        event = log_events.RUN_CONTINUED
        reporter.event(event, run_id=info.id, turn=info.turn, attempts=info.attempts)

    async def _take(self, new: NewRun | None) -> AcquiredRun:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._runs.patience(self._wait)
        while True:
            try:
                self._taking = self._runs.take(self._run_id, new, self._is_told_to_stop)
                return await self._taking
            except RunHeld:
                left = end - loop.time()
                if self._runs.is_ending(self._run_id):  # as after `break`: it is over in a moment
                    left = TRY_SECONDS / 10
                elif left <= 0:
                    raise
                await asyncio.sleep(min(TRY_SECONDS, left))

    def _is_told_to_stop(self) -> bool:
        state = self._control.state
        is_told = state.is_stop_called or state.request is not None or state.error is not None
        return is_told and not state.is_given_up

    # -- what it is told ------------------------------------------------------------------------

    def _fail(self, error: BaseException) -> None:
        if self._on_end is not None:
            return  # whoever gives it up learns of it
        self._log(error)
        if self._control.state.phase is Phase.ACTIVE:  # else it ends already
            self._control.fail(error)

    def _cancel(self) -> None:
        if not self._is_cancelled:
            self._is_cancelled = True
            self._control.stop(_CANCELLED)

    def refused(self) -> None:
        """Let others have the run once its lease is over, for something of it refuses to end."""
        self._runs.renew_no_more(self._run_id)

    @property
    def is_ending(self) -> bool:
        """Whether nothing of the run is at work, and it is being given up."""
        return self._on_end is not None

    # -- the end --------------------------------------------------------------------------------

    def end(self, on_end: OnEnd) -> Conclusion | None:
        """Write how the run has ended, and give it up.

        Args:
            on_end: Called in the loop once that is done, at once or later.

        Returns:
            What is being waited for; None where nothing is.
        """
        if self._on_end is not None:
            return None
        self._on_end = on_end
        return self._end_untaken() if self._owned is None else self._give_up(self._owned)

    def wait_no_more(self) -> None:
        """Give the result, although it is not known whether the store has got it."""
        problem = "it did not answer while the run was stopped"
        self._ended(StoreUnavailable(self._runs.store_url, problem))

    def _end_untaken(self) -> Conclusion | None:
        if self._taking is None:
            self._ended(None)
            return None
        taking = self._taking.future
        if not taking.done():
            # The stop has come in between: it may be ours in a moment, and is given back then.
            taking.add_done_callback(lambda _: self._end_untaken())
            return _Wait(_nothing)
        if taking.exception() is not None:
            self._ended(None)
            return None
        if taking.result().fence is None:  # it is over
            self._runs.let_go(self._run_id)
            self._ended(None)
            return None
        self._owned = self._runs.own(taking.result())
        return self._give_up(self._owned)

    def _give_up(self, owned: OwnedRun) -> Conclusion:
        last, failure = None, None
        try:
            last, end = self._last(), self._end_of(owned)
        except Exception as error:  # noqa: BLE001 - of a message of the user's; the run must end
            failure, end = error, End(status=RunStatus.FAILED, error=line_of(error))
        outcome = owned.give_up(end, last)
        outcome.future.add_done_callback(functools.partial(self._given_up, failure))
        return _Wait(owned.abandon)

    def _given_up(self, failure: BaseException | None, future: asyncio.Future[None]) -> None:
        error = failure or (None if future.cancelled() else future.exception())
        if error is not None and error is not failure and self._control.error is None:
            self._log(error)
        self._runs.let_go(self._run_id)
        if error is None and self.recording is not None and self._has_natural_end:
            self.recording.let_go()
        self._ended(error)

    def _ended(self, error: BaseException | None) -> None:
        on_end, self._on_end = self._on_end, _no_more
        assert on_end is not None, "`end` was called"
        on_end(error)

    def _log(self, error: BaseException) -> None:
        if error is self._logged:  # it came while the run was stopped, and ends it now
            return
        self._logged = error
        if isinstance(error, LeaseLost):
            reporter.event(log_events.LEASE_LOST, run_id=self._run_id)
        else:
            store = self._runs.store_url
            reporter.event(log_events.STORE_UNAVAILABLE, store=store, exc_info=error)

    @property
    def _has_natural_end(self) -> bool:
        return self._control.state.natural is not None and self._control.state.error is None

    def _last(self) -> Snapshot | None:
        """Return where it has come to, where that is its own end; a stop writes no other state."""
        if not self._has_natural_end or self.recording is None:
            return None
        return self.recording.end(self._subject.result())

    def _end_of(self, owned: OwnedRun) -> End:
        """Return how it is left."""
        state = self._control.state
        if isinstance(state.error, CheckpointError):
            return end_as_before(owned.info)
        if state.error is not None and not state.is_given_up:
            status = RunStatus.FAILED if self.attempts is None else RunStatus.QUEUED
            error = line_of(state.error)
            reason = state.reason
            return End(status=status, stop_reason=reason, error=error, attempts=self.attempts)
        if state.natural is not None:
            reason = state.natural.stop_reason
            return End(status=RunStatus.COMPLETED, stop_reason=reason)
        if self._is_cancelled:
            return End(status=RunStatus.CANCELLED, stop_reason=state.reason)
        is_of_run = state.request is not None and state.request.cause in _OF_ONE_RUN
        is_at_rest = state.is_stopped_alone or is_of_run
        status = RunStatus.STOPPED if is_at_rest else RunStatus.QUEUED
        return End(status=status, stop_reason=state.reason)


class _Wait:
    """What a run waits for at its end."""

    def __init__(self, cancel: Callable[[], object]) -> None:
        self._cancel = cancel

    def cancel(self) -> None:
        """Wait no more."""
        self._cancel()


def _nothing() -> None:
    pass


def _no_more(_error: BaseException | None) -> None:
    pass
