"""The block: how it is entered, and how it is left once nothing is at work in it any more."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import sys
from collections.abc import Callable
from typing import Final

from supervisor._core.asyncio_tools import refuse_eager
from supervisor._core.body_task import BodyTask
from supervisor._core.errors import UsageError
from supervisor._core.events import Rung
from supervisor._core.shield import shielded
from supervisor._core.stoppable import is_read_by_others
from supervisor._process import threads
from supervisor._reports import log_events
from supervisor._reports.log import reporter
from supervisor._reports.telemetry.stops import tell_lag
from supervisor._signals import masks
from supervisor._signals.handlers import is_main_thread
from supervisor._signals.interpreters import is_in_kernel
from supervisor._signals.registry import registry
from supervisor._supervisor.escalation import Escalation
from supervisor._supervisor.keeping import Keeping
from supervisor._supervisor.process_end import ProcessEnd
from supervisor._supervisor.readiness import Readiness
from supervisor._supervisor.scope import BlockPhase, StopScope
from supervisor._supervisor.stop_telemetry import StopTelemetry

_BEAT_SECONDS: Final = 0.25  # how long another one's hold on the wakeup fd can go unnoticed


_DEAF: Final = (
    "supervisor: no interrupt reaches this thread (a subshell has one of its own); "
    "call stop() of this Supervisor in another cell\n"
)


class Block:
    """The `async with` block of one supervisor.

    Args:
        scope: What is stopped.
        escalation: The supervisor's stop.
        end: What the stop does to the process.
        readiness: Tells those that watch over the process.
        telemetry: Tells of the stop.
        keeping: The store of its runs, which is let go as it is left.
    """

    def __init__(
        self,
        scope: StopScope,
        escalation: Escalation,
        end: ProcessEnd,
        readiness: Readiness,
        telemetry: StopTelemetry,
        keeping: Keeping,
    ) -> None:
        self._scope = scope
        self._escalation = escalation
        self._end = end
        self._readiness = readiness
        self._telemetry = telemetry
        self._keeping = keeping
        self._unwind = contextlib.ExitStack()
        self.on_give_back: Callable[[], None] = lambda: None
        """Called before what it has installed is put back because its loop is closed."""

    # -- entering -----------------------------------------------------------------------------

    def enter(self) -> None:
        """Install the signal handlers, and open the block.

        Raises:
            UsageError: Entered twice; or the loop has an eager task factory.
        """
        if self._scope.phase is not BlockPhase.NEW:
            raise UsageError(
                "a Supervisor is used once, and this one was entered before; make a new one"
            )
        refuse_eager(asyncio.get_running_loop())
        loop = self._scope.home.enter()
        self._scope.phase = BlockPhase.OPEN
        self._scope.changed = asyncio.Event()
        self._scope.body = BodyTask()
        try:
            with contextlib.ExitStack() as unwind:
                self._put_in_place(loop, unwind)
                self._unwind = unwind.pop_all()
        except BaseException:  # of a handler that was found, or of a setting: nothing may start
            self._scope.phase = BlockPhase.CLOSED
            raise
        self._escalation.open(loop)

    def _put_in_place(self, loop: asyncio.AbstractEventLoop, unwind: contextlib.ExitStack) -> None:
        self._scope.nesting.enter()
        unwind.callback(self._scope.nesting.leave)
        unwind.callback(self._scope.gc_pause.end)
        unwind.callback(sys.setswitchinterval, sys.getswitchinterval())
        if registry.add(self._escalation):
            # Once it hears no more; where `run` has added it, `run` does so later.
            unwind.callback(self._end.hold_deadline)
            unwind.callback(registry.leave, self._escalation)
        self._scope.interrupts.notebook.begin()
        unwind.callback(self._scope.interrupts.notebook.leave)
        self._keep_signals(loop, unwind)
        threads.install(loop)
        if self._scope.nesting.may_exit:
            self._scope.cleanup.open()
            unwind.callback(self._scope.cleanup.close)
        if self._scope.token is not None:
            self._scope.token.bind(loop)
        self._readiness.tell_ready(unwind)

    def _keep_signals(self, loop: asyncio.AbstractEventLoop, unwind: contextlib.ExitStack) -> None:
        if is_main_thread():
            registry.reclaim()  # under `run` it was there before uvloop's loop, which has taken it
            beat = _Beat(loop, self._scope.interrupts.notebook.look)
            unwind.callback(beat.stop)
            _warn_of_blocked(masks.blocked(self._escalation.handled))
        elif self._escalation.handled:
            _tell_no_handlers()
            if is_in_kernel() and self._scope.nesting.around is None:
                _tell_deaf()

    # -- leaving ------------------------------------------------------------------------------

    async def leave(self, error: BaseException | None) -> bool:
        """Wait until nothing is at work, and put everything back.

        Args:
            error: What the body has raised.

        Returns:
            Whether that was the exception of a stop.

        Raises:
            ExceptionGroup: A spawned task failed, and nobody looked at it.
            UsageError: An agent or a tool of one of the runs leaves it, for whose end it waits.
        """
        if self._scope.phase is BlockPhase.CLOSED:
            return False  # it was withdrawn
        self._refuse_from_inside()
        body = self._body
        if isinstance(error, GeneratorExit) and not body.is_current():
            self._close()  # its coroutine is dropped, outside of its task: nothing can be awaited
            return False
        self._scope.phase = BlockPhase.LEAVING
        is_ours = body.is_from_stop(error, self._scope.stop.request)
        if error is not None and not is_ours:
            self._escalation.request_stop(_describe(error), Rung.CANCEL)
        try:
            await self._until_idle(body)
            if self._must_sweep:
                self._end.begin_to_end_children()
                await self._until_idle(body)
            self._telemetry.tell_end()
            await self._telemetry.flush()
            await self._keeping.aclose()
        finally:
            body.uncancel()
            self._close()
        self._scope.spawned.raise_failures(is_first=error is None or is_ours)
        return is_ours

    def withdraw(self) -> bool:
        """Close it from inside, in favour of another one, unless it has something to do.

        Returns:
            Whether it is closed.
        """
        is_idle = self._scope.phase is BlockPhase.OPEN and not self._scope.is_working
        if is_idle and self._scope.stop.request is None:
            self._close()
        return self._scope.phase is BlockPhase.CLOSED

    def give_back(self) -> None:
        """Close it where its loop is closed: what it has installed is put back, and no more."""
        self.on_give_back()
        self._close()

    def close_if_over(self) -> None:
        """Close it before its task leaves it, where nothing is at work, nor a result to be read."""
        scope = self._scope
        is_busy = scope.is_working or scope.nesting.guests.are_open or self._must_sweep
        if scope.phase is BlockPhase.CLOSED or is_busy:
            return
        if not scope.results.is_read_by_others(asyncio.current_task()):
            self._close()
            scope.wake()

    @property
    def _must_sweep(self) -> bool:
        """Whether children are ended as it is left."""
        return self._end.must_sweep and not self._scope.cleanup.ends_with_program

    def _refuse_from_inside(self) -> None:
        if any(run.is_inside for run in self._scope.runs):
            raise UsageError(
                f"{self._scope!r} is left by an agent or a tool of one of its own runs, for whose "
                "end it waits; call stop() there, and let the code that has entered the block "
                "leave it"
            )

    @property
    def _body(self) -> BodyTask:
        assert self._scope.body is not None, "the block was entered"
        return self._scope.body

    def _close(self) -> None:
        self._telemetry.tell_end()
        self._scope.phase = BlockPhase.CLOSED
        self._scope.spawned.is_closed = True
        self._escalation.close()
        self._scope.results.close()
        self._unwind.close()
        self._keeping.close()

    async def _until_idle(self, body: BodyTask) -> None:
        """Wait for what is at work; a cancellation meanwhile is raised when that is over."""
        outside: asyncio.CancelledError | None = None
        is_first = True
        with contextlib.ExitStack() as waiting_on:
            while is_first or (self._has_to_stay(body) and not self._scope.stop.is_spent):
                try:
                    if is_first:
                        is_first = False
                        await asyncio.sleep(0)  # a task that was just created starts its run
                    else:
                        await self._change(body)
                except asyncio.CancelledError as error:
                    if not body.is_from_stop(error, self._scope.stop.request):
                        if outside is None:
                            waiting_on.enter_context(shielded())
                        outside = error
                        reason = "The block was cancelled while it was being left"
                        self._escalation.request_stop(reason, Rung.CANCEL)
                    body.uncancel()
                self._scope.wake()
        if outside is not None:
            raise outside

    def _has_to_stay(self, body: BodyTask) -> bool:
        """Return whether something is at work, or a reader other than the body needs a result."""
        if self._scope.is_working or self._scope.nesting.guests.are_open:
            return True
        is_stopping = Rung.RUNNING < self._scope.stop.rung < Rung.ABANDON
        return is_stopping and self._scope.results.is_read_by_others(body.task)

    async def _change(self, body: BodyTask) -> None:
        assert self._scope.changed is not None
        self._scope.changed.clear()
        # From CANCEL on each was told to stop: a thousand that end one by one are not asked again.
        for run in list(self._scope.runs) if self._scope.stop.rung < Rung.CANCEL else ():
            if not is_read_by_others(run, body.task):
                run.stop("Nobody waits for it", "reader")
        await self._scope.changed.wait()  # set by whatever has ended since, in its next step


class _Beat:
    """Makes sure a few times a second that the wakeup fd is still ours; measures the loop's lag."""

    def __init__(self, loop: asyncio.AbstractEventLoop, look: Callable[[], None]) -> None:
        self._loop = loop
        self._look = look
        self._timer = loop.call_later(_BEAT_SECONDS, self._beat)

    def _beat(self) -> None:
        registry.reclaim()
        tell_lag(self._loop.time() - self._timer.when())
        self._look()
        self._timer = self._loop.call_later(_BEAT_SECONDS, self._beat)

    def stop(self) -> None:
        self._timer.cancel()


def _describe(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "The block was cancelled"
    return f"The block raised {type(error).__name__}"


@functools.cache  # once in a process
def _tell_no_handlers() -> None:
    reporter.event(log_events.NO_HANDLERS)


@functools.cache
def _tell_deaf() -> None:
    reporter.write(_DEAF)


@functools.cache  # once in a process for the same ones
def _warn_of_blocked(numbers: frozenset[int]) -> None:
    if numbers:
        names = ", ".join(signal.Signals(number).name for number in sorted(numbers))
        line = (
            f"supervisor: blocked in the main thread, and cannot stop this program: {names}; "
            "unblock with signal.pthread_sigmask(), use supervisor.run(), or leave out of signals="
        )
        reporter.event(log_events.SIGNALS_BLOCKED, signals=names)
        reporter.write(f"{line}\n")  # terminal or not: a service that is deaf has none
