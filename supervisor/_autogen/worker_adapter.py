"""A worker: a runtime that handles the messages of others until it is told to stop.

To its supervisor it is one of the runs, and climbs the same ladder. DRAIN takes no further message
and lets those being handled finish; CANCEL cancels their handlers, with all that they have started,
nested teams included; then the runtime is stopped. At ABANDON it is stopped all the same, whatever
is still at work.

AutoGen's `stop_when_signal` was not built upon: it takes the loop's signal handlers and never puts
them back, hears one signal only, and waits without limit for what is at work.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, cast

from supervisor._autogen import log_filter, repair, shared_runtimes
from supervisor._autogen.run_context import RunContext
from supervisor._autogen.teardown import AutoGenTeardown
from supervisor._autogen.upstream.workers import EVENT_ERROR, Servable, served
from supervisor._core.adapter import Control, NotKept
from supervisor._core.channel import Role
from supervisor._core.events import StopRequest
from supervisor._core.run import Run
from supervisor._core.run_state import Conclusion, Phase
from supervisor._core.stoppable import Owner
from supervisor._core.tasks import DRIVER, SCOPE, AnyTask, FindScope, Scope
from supervisor._core.teardown import Teardown
from supervisor._reports import log_events
from supervisor._reports.findings import TaskInfo
from supervisor._reports.log import reporter
from supervisor._reports.telemetry.runs import RunKind


async def serve(owner: Owner, runtime: Servable) -> StopRequest:
    """Serve a runtime until a stop is requested, and nothing is at work any more.

    Args:
        owner: The supervisor.
        runtime: The runtime.

    Returns:
        The request.

    Raises:
        Stopped: A stop was requested before; the runtime is stopped all the same.
        TypeError: The runtime is none that can be served.
    """
    adapter = WorkerAdapter(runtime)
    run: Run[object, StopRequest] = Run(owner, adapter)
    try:
        await adapter.start_runtime()
        return await run
    finally:
        run.close()  # where it did not come up, the run was never awaited
        if not adapter.was_opened:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(owner.ladder.cancel):
                    await adapter.stop_runtime()


class Messages:
    """The messages that a runtime handles for others, in the scope of the run that serves it.

    Args:
        scope: The tasks of that run.
        control: That run.
    """

    def __init__(self, scope: Scope, control: Control[object, StopRequest]) -> None:
        self.cancel: Callable[[AnyTask], None] | None = None
        """Cancels the task of a message that comes once the handlers were cancelled."""
        self.handlers: dict[AnyTask, str] = {}
        """The tasks of those that are being handled, and for whom these are."""
        self._refused: Counter[str] = Counter()
        self._scope = scope
        self._control = control

    @property
    def is_closed(self) -> bool:
        """Whether no further message is to be taken."""
        state = self._control.state
        return state.is_draining or state.phase is not Phase.ACTIVE

    @property
    def is_at_work(self) -> bool:
        """Whether a message is being handled."""
        return bool(self.handlers)

    def refuse(self, what: str) -> None:
        """Count a message that was turned away."""
        self._refused[what] += 1

    async def handle(self, what: str, handling: Coroutine[Any, Any, None]) -> None:
        """Handle a message."""
        task = cast(AnyTask, asyncio.current_task())
        SCOPE.set(self._scope)  # the task's own context: a runtime makes one for each message
        self.note(task, what)
        if self.cancel is not None:
            self.cancel(task)
        try:
            await handling
        except asyncio.CancelledError:
            if self.cancel is None:
                raise

    def note(self, task: AnyTask, what: str) -> None:
        """Take a task that handles a message into the run."""
        self.handlers[task] = what
        self._scope.add(task, DRIVER, None)
        task.add_done_callback(self._handled)

    def _handled(self, task: AnyTask) -> None:
        self.handlers.pop(task, None)
        self._control.boundary()

    def report(self) -> None:
        """Tell how many were turned away."""
        if self._refused:
            count = self._refused.total()
            event = log_events.MESSAGES_NOT_TAKEN
            reporter.event(event, count=count, to=list(self._refused))


class WorkerAdapter(NotKept):
    """One runtime that is served.

    Args:
        runtime: The runtime.

    Raises:
        TypeError: The runtime is none that can be served.
    """

    ahead = 0
    keeps_read = False
    run_kind: RunKind = "runtime"
    yields_result = False
    is_interruptible = False
    has_taken_task = False

    def __init__(self, runtime: Servable) -> None:
        self.name = type(runtime).__name__
        self.subject: object | None = None
        self.find_scope: FindScope | None = shared_runtimes.scope_of
        self.role: Callable[[object], Role] = lambda _: Role.HIDDEN
        self.was_opened = False
        self._served = served(runtime, shared_runtimes.is_of_a_run)
        self._stopper: AnyTask | None = None
        self._log_filter = log_filter.CancelledHandlers(EVENT_ERROR)

    def bind(self, control: Control[object, StopRequest]) -> None:
        """Get to know the run."""
        self._control = control
        self._context = RunContext(None, lambda: None, lambda _: None)
        self._messages = Messages(self._context.scope, control)

    @property
    def scope(self) -> Scope:
        """The handlers' tasks, and what they have started."""
        return self._context.scope

    # -- the start ------------------------------------------------------------------------------

    async def start_runtime(self) -> None:
        """Start the runtime, unless it is started."""
        await self._served.start()

    async def stop_runtime(self) -> None:
        """Stop the runtime; nothing is at work on it, or what is was given up."""
        await self._served.stop()

    def refuse(self) -> None:
        """Refuse nothing: the supervisor may."""

    def open(self, loop: asyncio.AbstractEventLoop) -> None:  # noqa: ARG002 - it runs in this one
        """Watch the messages that come."""
        for task in self._served.watch(self._messages):
            self._messages.note(task, "a message that came before")
        self._context.open((), asyncio.get_running_loop())
        log_filter.logger.addFilter(self._log_filter)
        self.was_opened = True

    def close(self) -> None:
        """End the context; messages are turned away until `free`."""
        self._context.close()

    async def prepare(self) -> None:
        """Wait for nothing."""

    async def start(self) -> AsyncIterator[object]:
        """Yield nothing; end when the run is told to end."""
        await asyncio.get_running_loop().create_future()
        yield None  # pragma: no cover - it makes this a generator

    # -- the stop -------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take no further message: see `is_closed`."""

    @property
    def is_at_boundary(self) -> bool:
        """Whether no message is being handled."""
        return not self._messages.handlers

    @property
    def is_at_work(self) -> bool:  # pragma: no cover - asked of events that end by themselves
        """Whether a message is being handled."""
        return self._messages.is_at_work

    def when_less(self, call: Callable[[], None]) -> None:  # pragma: no cover - as above
        """Call soon: its events end only as it is told to end."""
        asyncio.get_running_loop().call_soon(call)

    def settle(self, on_settled: Callable[[], None], seconds: float) -> Teardown:
        """Return what cancels all handlers."""
        teardown = _Teardown(self, self._context, on_settled, seconds)
        self._context.refuse = self._messages.cancel = teardown.cancel
        request = self._control.state.request
        for task in self._messages.handlers:
            # The text of the error that the senders get.
            task.cancel(request.reason if request is not None else None)
        return teardown

    def refused(self, left: list[AnyTask], seconds: float) -> BaseException | None:
        """Leave these handlers to themselves."""
        names = self.active_agents() or [task.get_name() for task in left]
        reporter.event(log_events.HANDLERS_REFUSED, left=names, seconds=seconds)
        self.begin_to_stop().cancel()  # it was begun at ABANDON
        return None

    # -- the end --------------------------------------------------------------------------------

    def begin_to_stop(self) -> AnyTask:
        """Have the runtime stopped, unless it is being stopped already."""
        if self._stopper is None:
            loop = asyncio.get_running_loop()
            self._stopper = loop.create_task(self.stop_runtime(), name="stop the runtime")
            self._stopper.add_done_callback(_report_failure)
        return self._stopper

    def conclude(self, on_end: Callable[[], None]) -> Conclusion | None:
        """Stop the runtime, and make consistent the teams that its handlers have run."""
        repair.repair_handlers(self._context)
        stopper = self.begin_to_stop()
        if stopper.done():
            on_end()
            return None
        stopper.add_done_callback(lambda _: on_end())
        return stopper

    def unconcluded(self) -> None:
        """Note that the runtime does not stop."""
        reporter.event(log_events.RUNTIME_REFUSED, runtime=self.name)
        self.begin_to_stop().cancel()

    def so_far(self) -> StopRequest:
        """Return what has stopped it."""
        return cast(StopRequest, self._control.state.request)

    def result(self) -> StopRequest:
        """Return what has stopped it."""
        return self.so_far()

    def free(self) -> None:
        """Let its messages go their way again, and tell how many were turned away."""
        self._served.release()
        self._messages.report()
        log_filter.logger.removeFilter(self._log_filter)

    # -- what it tells --------------------------------------------------------------------------

    def active_agents(self) -> list[str]:
        """Return for whom the messages are that are being handled."""
        return list(dict.fromkeys(self._messages.handlers.values()))

    def task_infos(self, tasks: list[AnyTask], asked: float | None) -> list[TaskInfo]:  # noqa: ARG002 - a worker is told by its messages
        """Tell of the handlers that are at work, for a report."""
        handlers = list(self._messages.handlers.items())
        return [
            TaskInfo(task=task, agent=what, team=self.name, asked=asked) for task, what in handlers
        ]


class _Teardown(AutoGenTeardown):
    """What a stopped worker waits for; at ABANDON its runtime is stopped all the same."""

    def __init__(
        self,
        worker: WorkerAdapter,
        context: RunContext,
        on_settled: Callable[[], None],
        seconds: float,
    ) -> None:
        super().__init__(context, on_settled, seconds)
        self._worker = worker

    def cancel_left(self) -> None:
        """Cancel what is left once more, and stop the runtime."""
        super().cancel_left()
        self._worker.begin_to_stop()


def _report_failure(stopper: AnyTask) -> None:
    if not stopper.cancelled() and stopper.exception() is not None:
        reporter.event(log_events.RUNTIME_NOT_STOPPED, exc_info=stopper.exception())
