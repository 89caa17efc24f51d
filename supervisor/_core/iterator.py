"""Any asynchronous iterator, as something that can be run and stopped.

An async generator, another framework's stream, a queue's reader: whatever `async for` takes. It is
iterated in the run's driver, so it is closed in the task that has entered it, by its `aclose()` or
its `close()` where it has one. It makes an item only when a reader asks for one.

At DRAIN the item that is being made is delivered, and the source is closed at its `yield`; where
the user knows boundaries, at the `yield` of the next one. Then the tasks that it has left behind
are cancelled. At CANCEL all its tasks are, the innermost first. What it yields in answer is
dropped; what its clean-up raises is logged and stands in `run.error`. One that answers
`GeneratorExit` by a `yield` refuses to end: Python raises nothing in it a second time, so it is
given up as the ladder ends.

Where it falls short: an iterator of a class of its own does not tell whether it was begun, nor
whether `close()` was heeded. A time limit of the source's own that passes while it waits at a
`yield` is not raised in it: its reader gets a `CancelledError`, as it may without a supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import dis
import inspect
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from types import AsyncGeneratorType
from typing import Any, Final, Generic, TypeVar, cast

from supervisor._core.adapter import Control, NotKept
from supervisor._core.channel import Role
from supervisor._core.errors import Quarantined, UsageError
from supervisor._core.run_state import Conclusion
from supervisor._core.tasks import AnyTask, FindScope, Kind, Scope
from supervisor._core.teardown import Teardown
from supervisor._reports import log_events
from supervisor._reports.findings import TaskInfo
from supervisor._reports.log import reporter
from supervisor._reports.stacks import describe
from supervisor._reports.telemetry.runs import RunKind

T = TypeVar("T")

# Its own root, so it counts as at work also once the task that has started it has ended.
_PART: Final = Kind("is part of the source", is_at_work=True)


class IteratorAdapter(NotKept, Generic[T]):
    """An asynchronous iterator.

    Args:
        source: What is to be iterated.
        boundary: Whether it may be closed in DRAIN after this item; None: after each.

    Raises:
        TypeError: It cannot be iterated by `async for`.
        UsageError: It has been begun.
    """

    run_kind: RunKind = "source"
    ahead = 0
    keeps_read = False
    yields_result = False
    is_interruptible = True
    is_at_boundary = False  # it ends by itself at the next `yield`
    has_taken_task = False

    def __init__(
        self, source: AsyncIterable[T], *, boundary: Callable[[T], bool] | None = None
    ) -> None:
        if not hasattr(type(source), "__aiter__"):
            what = "give iterate() an async generator, or anything else that `async for` takes"
            raise TypeError(f"{source!r} has no __aiter__(); {what}")
        self.name = str(getattr(source, "__name__", type(source).__name__))
        self.subject: object | None = None  # it cannot be used again, whatever has become of it
        self.find_scope: FindScope | None = None
        self.role: Callable[[T], Role] = lambda _: Role.KEPT
        self.scope = Scope(lambda _: (_PART, None), _Blind())
        self._source = source
        self._boundary = boundary
        self._is_stopping = False
        self._was_cancelled = False
        self._ignores_exit = False
        self.refuse()

    # -- the start ------------------------------------------------------------------------------

    def bind(self, control: Control[T, list[T]]) -> None:
        """Get to know the run."""
        self._control = control

    def refuse(self) -> None:
        """Raise where somebody else iterates it.

        Raises:
            UsageError: It has been begun.
        """
        if inspect.isasyncgen(self._source) and _has_begun(self._source):
            what = "was begun already, or has ended; give iterate() a fresh one"
            raise UsageError(f"the source {self.name!r} {what}")

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch nothing but its tasks."""

    def close(self) -> None:
        """End nothing."""

    async def prepare(self) -> None:
        """Wait for nothing."""

    async def start(self) -> AsyncGenerator[T, None]:
        """Iterate it, and close it in whatever way that ends."""
        async with contextlib.AsyncExitStack() as closing:
            closing.push_async_callback(self._close, self._source)
            iterator = aiter(self._source)
            if iterator is not self._source:
                closing.push_async_callback(self._close, iterator)
            try:
                async for item in iterator:
                    yield item
                    if self._is_stopping and self._may_end_after(item):
                        break
                    if self._is_stopping or not self._control.channel.is_iterated:
                        await asyncio.sleep(0)  # a source that never waits would keep the loop
            except (Exception, BaseExceptionGroup) as error:
                if not self._was_cancelled:
                    raise
                self._note(error)

    def _may_end_after(self, item: T) -> bool:
        return self._was_cancelled or self._boundary is None or self._boundary(item)

    async def _close(self, thing: object) -> None:
        close = getattr(thing, "aclose", None) or getattr(thing, "close", None)
        try:
            closing: Any = close() if close is not None else None
            if inspect.isawaitable(closing):
                await closing
        except (Exception, BaseExceptionGroup) as error:
            if inspect.isasyncgen(thing) and thing.ag_frame is not None:
                await self._refuse_to_end()
            elif not self._is_stopping:
                raise
            elif (raised := _without_exit(error)) is not None:
                self._note(raised)

    async def _refuse_to_end(self) -> None:
        """Be at work until the source is given up; from then on a cancellation ends the driver."""
        self._ignores_exit = True
        while not self._control.state.is_given_up:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()

    def _note(self, error: BaseException) -> None:
        """Log what its clean-up has raised; the first one stands in `run.error`."""
        state = self._control.state
        state.cleanup_error = state.cleanup_error or error
        reporter.event(log_events.SOURCE_FAILED_IN_STOP, exc_info=error)

    # -- the stop -------------------------------------------------------------------------------

    def drain(self) -> None:
        """End it at its next boundary, or at the one where it waits for a reader."""
        self._is_stopping = True
        self._control.channel.end_waiting()

    @property
    def is_at_work(self) -> bool:
        """Whether it was closed in DRAIN, and has left tasks behind."""
        return self._is_stopping and bool(self.scope.at_work())

    def when_less(self, call: Callable[[], None]) -> None:  # noqa: ARG002 - it is the run's end
        """Have these tasks cancelled: nobody waits for them."""
        self.is_at_boundary = True
        self._control.boundary()

    def settle(self, on_settled: Callable[[], None], seconds: float) -> Teardown:  # noqa: ARG002 - it has no processes
        """Return what cancels its tasks."""
        self._is_stopping = self._was_cancelled = True
        return _Teardown(self.scope, on_settled)

    def refused(self, left: list[AnyTask], seconds: float) -> BaseException | None:
        """Return the error that readers get."""
        doing = "ignoring GeneratorExit" if self._ignores_exit else describe(left)
        error = _SourceQuarantined(self.name, (), doing, seconds)
        event = log_events.SOURCE_QUARANTINED
        reporter.event(event, doing=doing, seconds=seconds)
        return error

    # -- the end --------------------------------------------------------------------------------

    def conclude(self, on_end: Callable[[], None]) -> Conclusion | None:
        """Repair nothing: a source is not used again."""
        on_end()
        return None

    def unconcluded(self) -> None:
        """Note nothing: there is no conclusion to wait for."""

    def so_far(self) -> list[T]:
        """Return what it has yielded and no loop has read."""
        return self._control.channel.held()

    def result(self) -> list[T]:
        """Return the same."""
        return self.so_far()

    def free(self) -> None:
        """Release nothing."""

    # -- what it tells --------------------------------------------------------------------------

    def active_agents(self) -> list[str]:
        """Return its name."""
        return [self.name]

    def task_infos(self, tasks: list[AnyTask], asked: float | None) -> list[TaskInfo]:
        """Say whose tasks these are, for a report."""
        return [TaskInfo(task=task, agent=self.name, asked=asked) for task in tasks]


class _Teardown(Teardown):
    """What a stopped source waits for; also the tasks that its clean-up has started."""

    def check(self) -> None:
        """See whether anything is still at work; cancel what was started meanwhile."""
        if not self.is_over and not self._pending:
            self.cancel_tasks()
        super().check()


class _Blind:
    """An observer to whom no task means anything: a source's are all alike."""

    def observe(self, kind: Kind, task: AnyTask, coro: Any, more: Any) -> None:
        """Do nothing."""

    def observe_child(self, kind: Kind, creator: AnyTask, task: AnyTask, coro: Any) -> None:
        """Do nothing."""


class _SourceQuarantined(Quarantined):
    def __str__(self) -> str:
        return (
            f"the source {self.team!r} is quarantined: it refused to end, still {self.doing} after "
            f"{self.seconds:.3g} s; do not use it again, and let what it waits for be cancelled"
        )


def _without_exit(error: BaseException) -> BaseException | None:
    """Return what a source has raised, without the GeneratorExit that a task group wraps."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    return cast("BaseExceptionGroup[BaseException]", error).split(GeneratorExit)[1]


if sys.version_info < (3, 12):

    def _has_begun(source: AsyncGeneratorType[Any, Any]) -> bool:
        frame = source.ag_frame
        if frame is None or source.ag_running:
            return True
        # It is made by this instruction, and stands there until it is begun.
        return source.ag_code.co_code[frame.f_lasti] != dis.opmap["RETURN_GENERATOR"]

else:

    def _has_begun(source: AsyncGeneratorType[Any, Any]) -> bool:
        return inspect.getasyncgenstate(source) != inspect.AGEN_CREATED
