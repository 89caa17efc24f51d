"""A run at work: its driver, and how the run comes to its end.

The events of a run are read in a task of ours, the *driver*, and the user's code takes them from
there. Why not hand out the framework's own generator: a cancellation of the user's task (a time
limit, a client that went away) would be thrown into it, and its `finally` may wait without limit
for work that was not told to end; and a loop that is left by `break` would leave it to the garbage
collector.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import math
from typing import Any, Generic, TypeVar, cast

from supervisor._core.adapter import Adapter
from supervisor._core.channel import Channel, Role
from supervisor._core.errors import SupervisorError
from supervisor._core.readers import Readers
from supervisor._core.run_state import Phase, RunState
from supervisor._core.run_telemetry import (
    log_failure,
    tell_begin,
    tell_dropped,
    tell_end,
    tell_settled,
)
from supervisor._core.stoppable import Owner
from supervisor._core.stoppable_run import StoppableRun
from supervisor._core.tasks import DRIVER, SCOPE, AnyTask, task_factory
from supervisor._core.tool_call import CURRENT

E = TypeVar("E")
R = TypeVar("R")

# On the hot path: to look up a member of an Enum takes as long as to look up a dictionary entry.
_ACTIVE, _RESULT, _HIDDEN = Phase.ACTIVE, Role.RESULT, Role.HIDDEN


class Execution(Generic[E, R]):
    """One run from its start to its end; the `Control` of its adapter.

    Args:
        owner: The supervisor.
        adapter: What is run.
        timeout: The seconds that it may take; None for no limit.
    """

    def __init__(self, owner: Owner, adapter: Adapter[E, R], timeout: float | None) -> None:
        self.state = RunState[R]()
        self.channel = Channel(adapter.role, ahead=adapter.ahead, keeps_read=adapter.keeps_read)
        self.readers = Readers(self._served)
        self.stoppable = StoppableRun(owner, adapter, self.state, self.channel, self.readers)
        self.stoppable.on_settled = self._finish
        self.stoppable.on_unconcluded = self._end_unconcluded
        self._owner = owner
        self._adapter = adapter
        self._timeout = timeout
        self._time_limit: asyncio.TimerHandle | None = None
        adapter.bind(self)

    # -- the start ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start the run, unless it was started.

        Raises:
            Stopped: A stop was requested.
            SupervisorError: It must not be run.
        """
        state = self.state
        if state.phase is not Phase.CREATED:
            return
        if state.request is not None:  # stopped before it started
            state.phase, state.result = Phase.DONE, self._adapter.so_far()
            return
        loop = asyncio.get_running_loop()
        try:
            self._adapter.refuse()
            self._owner.attach(self.stoppable)
        except BaseException as error:  # nothing to detach: this may even be another thread
            state.phase, state.error = Phase.DONE, error
            raise
        try:
            self._open(loop)
        except BaseException as error:
            state.phase, state.error = Phase.DONE, error
            self._owner.detach(self.stoppable)
            raise
        state.phase = Phase.ACTIVE
        self._start_driver(loop)
        if self._timeout is not None and self._timeout < math.inf:
            reason = f"Stopped after {self._timeout:g} s"
            self._time_limit = loop.call_later(
                self._timeout, self.stoppable.stop_now, reason, "timeout"
            )

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        self.state.loop = loop
        scope = self._adapter.scope
        scope.is_interrupted = self._is_signalled
        scope.on_failure = self._lose_track
        task_factory(loop).acquire(self._adapter.find_scope)
        try:
            self._adapter.open(loop)
        except BaseException:
            task_factory(loop).release()
            raise

    def _start_driver(self, loop: asyncio.AbstractEventLoop) -> None:
        context = contextvars.copy_context()
        context.run(SCOPE.set, None)
        context.run(CURRENT.set, None)  # of the call that has started this run, perhaps
        tell_begin(self.state, self._adapter, context)
        coro = self._drive()
        wrap = task_factory(loop).wrap
        name, wrapped = f"run of {self._adapter.name}", coro if wrap is None else wrap(coro)
        driver: AnyTask = loop.create_task(wrapped, name=name, context=context)
        scope = self._adapter.scope
        context.run(SCOPE.set, scope)
        scope.add(driver, DRIVER, coro)
        driver.add_done_callback(self._driver_ended)

    async def _drive(self) -> None:
        await self._adapter.prepare()
        state, channel, role = self.state, self.channel, self._adapter.role
        stream = self._adapter.start()
        try:
            async for event in stream:
                what = role(event)
                if what is _RESULT:
                    state.natural = cast(R, event)
                elif state.phase is _ACTIVE and what is not _HIDDEN:
                    channel.put(event)
                    if channel.is_full:
                        await channel.until_room()
        finally:
            # Also of a generator that waits at its `yield`: its clean-up is part of the run.
            # Where its loop was closed around it, there is nobody to await anything.
            if hasattr(stream, "aclose") and state.phase is not Phase.DONE:
                await cast(Any, stream).aclose()

    # -- what the adapter calls -----------------------------------------------------------------

    def take(self, event: E) -> bool:
        """Take an event past the driver, where the driver would take it and not wait for room."""
        return self.state.phase is _ACTIVE and self.channel.offer(event)

    def boundary(self) -> None:
        """End a run that drains, for nothing would be interrupted now."""
        self.stoppable.boundary()

    def stop(self, reason: str, cause: str = "code") -> None:
        """Stop this run alone; from any thread."""
        self.stoppable.stop(reason, cause)

    def cancel_by_caller(self) -> None:
        """End the run because its caller was cancelled; waiting for it raises `CancelledError`."""
        self._end_cancelled("Cancelled by the caller")

    def fail(self, error: BaseException | None) -> None:
        """Fail at once, with what the framework does not pass on; None is a cancellation."""
        is_at_work = self.state.phase is Phase.ACTIVE and self.state.natural is None
        if error is None:
            # Not by us: a turn, or a tool in it, was cancelled by itself. Where a run drains, we
            # have cancelled the selection of the next speaker.
            if is_at_work and not self.state.is_draining:
                self._end_cancelled("Cancelled from within")
        elif is_at_work:
            self.state.error = error
            self.stoppable.fail()
        else:
            log_failure(self.state, error)

    @property
    def error(self) -> BaseException | None:
        """What the run has failed with, so far."""
        return self.state.error

    async def until_settled(self) -> None:
        """Wait until nothing of a run that was told to stop is at work."""
        while self.state.phase is Phase.STOPPING and not self.state.is_over:
            await self.wait()

    def drop(self) -> None:
        """End a run whose loop was closed around it: nothing else ever does."""
        state = self.state
        if state.loop is None or not state.loop.is_closed() or state.is_over:
            return
        is_open = state.phase is Phase.ACTIVE or state.is_settling
        state.phase = Phase.DONE
        tell_dropped(state)
        if is_open:
            self._adapter.close()
        self._adapter.free()

    def wait(self) -> asyncio.Future[None]:
        """Return what is done at the next event, or at the end."""
        return self.channel.wait(cast(asyncio.AbstractEventLoop, self.state.loop))

    # -- the end --------------------------------------------------------------------------------

    def _end_cancelled(self, reason: str) -> None:
        if self.state.phase is Phase.ACTIVE:
            self.state.was_cancelled = True
        self.stoppable.stop_now(reason, "cancelled")

    def _lose_track(self, cause: Exception) -> None:
        """Fail, because a task of the run could not be classified.

        Called in the midst of the framework's code, so this is done in the loop's next step.
        """
        error = SupervisorError(
            f"the run of {self._adapter.name!r} was ended, for it could not be told what one of "
            f"its tasks does: {cause!r}; the traceback of that says whose code was looked at"
        )
        error.__cause__ = cause
        cast(asyncio.AbstractEventLoop, self.state.loop).call_soon(self.fail, error)

    def _driver_ended(self, driver: AnyTask) -> None:
        if self.state.phase is not Phase.ACTIVE:
            return  # settling: it knows when the last of the run's tasks has ended
        if driver.cancelled():
            # Not by us: somebody cancels all tasks of the loop, or an agent on its own its turn.
            by = "by the caller" if driver.cancelling() else "from within"
            self._end_cancelled(f"Cancelled {by}")
            return
        self.state.error = driver.exception()
        self._blame_signal()
        self._leave()

    def _blame_signal(self) -> None:
        """Take a failure for the interruption that it is, where a signal is stopping us.

        A terminal sends Ctrl-C, and systemd SIGTERM, to the children too: a tool sees its child die
        before CANCEL is entered, or while it drains, and makes an error of it.
        """
        request, error = self._owner.stop_request, self.state.error
        if request is None or request.signal is None or not isinstance(error, Exception):
            return
        if not isinstance(error, SupervisorError):
            log_failure(self.state, error)
            self.state.error = None
            self.stoppable.settle(request)

    def _is_signalled(self) -> bool:
        request = self._owner.stop_request
        return request is not None and request.signal is not None

    def _leave(self) -> None:
        """Finish, once nothing is at work on what others use too; after an error, end that."""
        if self.state.phase is not Phase.ACTIVE:
            return
        if not self._adapter.is_at_work:
            self._finish()
        elif self.state.error is not None:
            self.stoppable.fail()
        else:
            self._adapter.when_less(self._leave)

    def _finish(self) -> None:
        """Draw the conclusion; nothing of the run is at work any more."""
        state = self.state
        was_stopped = state.phase is Phase.STOPPING and state.error is None
        state.phase = Phase.STOPPING
        task_factory(cast(asyncio.AbstractEventLoop, state.loop)).release()
        self._adapter.close()
        keep = functools.partial(self._keep, was_stopped=was_stopped)
        if state.natural is not None and not was_stopped:
            keep()
            return
        with state.bound():
            if was_stopped:
                tell_settled(state)
            repair = self._adapter.conclude(keep)
            if repair is not None:
                state.conclusion = repair

    def _keep(self, *, was_stopped: bool) -> None:
        """Wait until it is written how the run has ended, where that is kept."""
        state = self.state
        if state.phase is not Phase.DONE:
            end = functools.partial(self._end, was_stopped=was_stopped)
            state.conclusion = self._adapter.keep(end)

    def _end_unconcluded(self) -> None:
        self._end(None, was_stopped=self.state.error is None, is_repaired=False)
        self._adapter.keep(lambda _: None)  # where it is kept, it is given up at least

    def _end(
        self, not_kept: BaseException | None, *, was_stopped: bool, is_repaired: bool = True
    ) -> None:
        state = self.state
        if state.phase is Phase.DONE:
            return  # it was not waited for any more
        state.phase = Phase.DONE
        state.error = state.error or not_kept
        if self._time_limit is not None:
            self._time_limit.cancel()
        self.stoppable.end()
        tell_end(state, self._owner, was_stopped=was_stopped, is_repaired=is_repaired)
        if was_stopped or state.is_given_up:
            state.error = None
        state.result = self._adapter.result()
        state.is_given_up = False
        self._adapter.free()
        self.channel.wake()
        if self.readers.are_due:
            self._owner.expect(self.stoppable)
        self._owner.detach(self.stoppable)

    def _served(self) -> None:
        if self.state.is_over:
            self._owner.served(self.stoppable)
