"""A run with an id, in its adapter: it is taken, gone on with, written, and given up.

The order: `prepare` in the driver, before the start; `end` once nothing of the run is at work any
more, and before its result is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from autogen_agentchat.messages import MessageFactory

from supervisor._autogen.messages import Event, Item, TaskResult
from supervisor._checkpoints.kept_runs import TRY_SECONDS, KeptRuns, end_as_before
from supervisor._checkpoints.owned_run import Found, OwnedRun
from supervisor._checkpoints.snapshot import LogChange, Snapshot
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
from supervisor._core.run_state import Conclusion
from supervisor._reports import log_events
from supervisor._reports.log import reporter

OnEnd = Callable[[BaseException | None], None]
"""Called in the loop once a run was given up, with the error where that has failed."""

_CANCELLED: Final = "Cancelled by request"


class KeptRun:
    """What is kept of one run.

    Args:
        runs: The supervisor's.
        run_id: The run.
        wait: For how many seconds it is waited for where somebody has it; None: as the store needs.
        allow_changed: Whether it is gone on with by another team, or with another task.
    """

    def __init__(
        self, runs: KeptRuns, run_id: str, *, wait: float | None, allow_changed: bool
    ) -> None:
        self.before: Sequence[Item] = ()
        """What was said in earlier processes."""
        self.over: TaskResult | None = None
        """The result of a run that had ended before."""
        self.attempts: int | None = None
        """A run that fails is queued until it has failed so often; None: it is FAILED at once."""
        self._runs = runs
        self._run_id = run_id
        self._wait = wait
        self._allow_changed = allow_changed
        self._taking: Outcome[Found] | None = None
        self._held: OwnedRun | None = None
        self._is_cancelled = False
        self._on_end: OnEnd | None = None

    def bind(self, adapter: Any, control: Control[Event, TaskResult]) -> None:
        """Get to know the run."""
        self._adapter = adapter
        self._control = control

    # -- the start ------------------------------------------------------------------------------

    async def prepare(self, task: Any) -> Any:
        """Take the run, and have the team stand where it stood.

        Args:
            task: What the caller gives.

        Returns:
            What the team is to be given.
        """
        found = await self._take(self._new(task))
        if found.fence is None:
            if found.info.status is RunStatus.CANCELLED:
                raise RunCancelled(self._run_id)
            self.over = result_of(found)
            return None
        held = self._held = self._runs.hold(found)
        held.on_failed, held.on_cancel = self._fail, self._cancel
        if found.kept is not None:
            self._tell_continued(found)
        return task

    def _tell_continued(self, found: Found) -> None:
        info = found.stored.info
        event = log_events.RUN_CONTINUED
        reporter.event(event, run_id=info.id, turn=info.turn, attempts=info.attempts)

    def _new(self, task: Any) -> NewRun | None:
        return None if task is None else NewRun(team=self._adapter.name, shape="", task="")

    async def _take(self, new: NewRun | None) -> Found:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._runs.patience(self._wait)
        while True:
            try:
                self._taking = self._runs.take(self._run_id, new)
                return await self._taking
            except RunHeld:
                left = end - loop.time()
                if left <= 0:
                    raise
                await asyncio.sleep(min(TRY_SECONDS, left))

    # -- what it is told ------------------------------------------------------------------------

    def _fail(self, error: BaseException) -> None:
        if self._on_end is None:  # else whoever gives it up learns of it
            self._log(error)
            self._control.fail(error)

    def _cancel(self) -> None:
        if not self._is_cancelled:
            self._is_cancelled = True
            self._control.stop(_CANCELLED)

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
        return self._end_untaken() if self._held is None else self._give_up(self._held)

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
        self._held = self._runs.hold(taking.result())
        return self._give_up(self._held)

    def _give_up(self, held: OwnedRun) -> Conclusion:
        outcome = held.give_up(self._end_of(held), self._last())
        outcome.future.add_done_callback(self._given_up)
        return _Wait(held.abandon)

    def _given_up(self, future: asyncio.Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None and self._control.error is None:
            self._log(error)
        self._runs.let_go(self._run_id)
        self._ended(error)

    def _ended(self, error: BaseException | None) -> None:
        on_end, self._on_end = self._on_end, _no_more
        if on_end is not None:
            on_end(error)

    def _log(self, error: BaseException) -> None:
        if isinstance(error, LeaseLost):
            reporter.event(log_events.LEASE_LOST, run_id=self._run_id)
        else:
            store = self._runs.store_url
            reporter.event(log_events.STORE_UNAVAILABLE, store=store, exc_info=error)

    def _last(self) -> Snapshot | None:
        """Return where it has come to, where that is its own end; a stop writes no other state."""
        state = self._control.state
        if state.natural is None or state.error is not None:
            return None
        return snapshot_of(state.natural)

    def _end_of(self, held: OwnedRun) -> End:
        """Return how it is left."""
        state = self._control.state
        if isinstance(state.error, CheckpointError):
            return end_as_before(held.info)
        if state.error is not None and not state.is_given_up:
            status = RunStatus.FAILED if self.attempts is None else RunStatus.QUEUED
            error = _line(state.error)
            reason = state.reason
            return End(status=status, stop_reason=reason, error=error, attempts=self.attempts)
        if state.natural is not None:
            reason = state.natural.stop_reason
            return End(status=RunStatus.COMPLETED, stop_reason=reason)
        if self._is_cancelled:
            return End(status=RunStatus.CANCELLED, stop_reason=state.reason)
        status = RunStatus.STOPPED if state.is_stopped_alone else RunStatus.QUEUED
        return End(status=status, stop_reason=state.reason)

    # -- the result -----------------------------------------------------------------------------

    def whole(self, result: TaskResult) -> TaskResult:
        """Return a result with all messages of the run, those of earlier processes first."""
        if not self.before:
            return result
        messages = [*self.before, *result.messages]
        return TaskResult(messages=messages, stop_reason=result.stop_reason)


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


def _line(error: BaseException) -> str:
    """Return an error in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def snapshot_of(result: TaskResult) -> Snapshot:
    items = [item.model_dump(mode="json") for item in result.messages]
    return Snapshot(
        turn=1,
        changes=[LogChange("output", 0, items)],
        lengths={"output": len(items)},
        rest={},
    )


def result_of(found: Found) -> TaskResult:
    kept = found.kept
    factory = MessageFactory()
    items = [] if kept is None else [factory.create(dict(i)) for i in kept.logs["output"]]
    return TaskResult(messages=items, stop_reason=found.info.stop_reason)
