"""How one framework's work is started, stopped and concluded.

`Run` is written once. What it needs to know of a framework is an `Adapter`, chosen by the type of
the object that is to be run; there is one object of it for each run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, TypeVar

from supervisor._core.channel import Channel, Role
from supervisor._core.run_state import Conclusion, RunState
from supervisor._core.tasks import AnyTask, FindScope, Scope
from supervisor._core.teardown import Teardown
from supervisor._reports.findings import TaskInfo
from supervisor._reports.telemetry.runs import RunKind

E = TypeVar("E")
R = TypeVar("R")

OnKept = Callable[[BaseException | None], None]
"""Takes the error where it could not be written how a run has ended."""


class Control(Protocol[E, R]):
    """What an adapter sees of its run, and can tell it."""

    @property
    def state(self) -> RunState[R]:
        """The state of the run; an adapter only reads it."""
        ...

    @property
    def channel(self) -> Channel[E]:
        """The events of the run."""
        ...

    def take(self, event: E) -> bool:
        """Take an event past the driver; return False where the driver must bring it."""
        ...

    def boundary(self) -> None:
        """Say that nothing would be interrupted now: a run that drains can end here."""
        ...

    def stop(self, reason: str, cause: str = "code") -> None:
        """Stop this run alone; from any thread."""
        ...

    def cancel_by_caller(self) -> None:
        """End the run because its caller was cancelled; waiting for it raises `CancelledError`."""
        ...

    def fail(self, error: BaseException | None) -> None:
        """Fail at once, with what the framework does not pass on; None is a cancellation."""
        ...

    @property
    def error(self) -> BaseException | None:
        """What the run has failed with, so far."""
        ...

    async def until_settled(self) -> None:
        """Wait until nothing of a run that was told to stop is at work."""
        ...

    def drop(self) -> None:
        """End a run whose loop was closed around it: nothing else ever does."""
        ...


class Adapter(Protocol[E, R]):
    """One thing that is run, and how its framework runs it.

    The order of the calls: `bind`; `refuse` and `open` as the run starts; `prepare` and `start` in
    its driver; `settle` as it is told to stop; `close`, `conclude`, `keep` and `result` once
    nothing of it is at work any more; `free` last.
    """

    name: str
    """The name of what is run, for messages."""
    run_kind: RunKind
    """What is run, for telemetry."""
    subject: object | None
    """What may not be used again after it was given up; None where there is no such thing."""
    find_scope: FindScope | None
    """Tells whose a task is, where its context does not."""
    ahead: int
    """How many events may wait for a reader before the driver waits too."""
    keeps_read: bool
    """Whether what a loop has read is kept for the result as well."""
    yields_result: bool
    """Whether a loop over the run ends with its result as the last item."""
    is_interruptible: bool
    """Whether an interrupt ends it; not if it serves others, and ends only with the program."""

    @property
    def scope(self) -> Scope:
        """The tasks that the run has started, at any depth."""
        ...

    @property
    def role(self) -> Callable[[E], Role]:
        """Tells what becomes of an event; called twice for each."""
        ...

    def bind(self, control: Control[E, R]) -> None:
        """Take the run to which this adapter belongs."""
        ...

    def refuse(self) -> None:
        """Raise where it must not be run."""
        ...

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Put in place what watches the run."""
        ...

    def close(self) -> None:
        """Take away what `open` has put in place."""
        ...

    async def prepare(self) -> None:
        """Wait until it may start."""
        ...

    def start(self) -> AsyncIterator[E]:
        """Start it, and return its events."""
        ...

    def drain(self) -> None:
        """Begin nothing more, and call `boundary` once nothing would be interrupted."""
        ...

    @property
    def is_at_boundary(self) -> bool:
        """Whether a stop would interrupt nothing now."""
        ...

    @property
    def is_at_work(self) -> bool:
        """Whether something of it is at work although its events have ended."""
        ...

    def when_less(self, call: Callable[[], None]) -> None:
        """Have a function called when less of that is at work."""
        ...

    def settle(self, on_settled: Callable[[], None], seconds: float) -> Teardown:
        """Return what cancels all of it; the run then calls its `cancel_all`.

        Args:
            on_settled: To be called once, when nothing is at work any more.
            seconds: How long CANCEL takes.
        """
        ...

    def refused(self, left: list[AnyTask], seconds: float) -> BaseException | None:
        """Note that these tasks refused to end, and are given up.

        Args:
            left: The tasks.
            seconds: For how long they were asked to end.

        Returns:
            The error that waiting for the run raises; None where it returns a result.
        """
        ...

    def conclude(self, on_end: Callable[[], None]) -> Conclusion | None:
        """Make usable again what was stopped.

        Args:
            on_end: To be called in the loop when that is done: at once, or later.

        Returns:
            What is being waited for; None where `on_end` was called.
        """
        ...

    def unconcluded(self) -> None:
        """Note that what `conclude` waits for refused to end, and is given up."""
        ...

    def keep(self, on_end: OnKept) -> Conclusion | None:
        """Have it written how the run has ended, where that is kept; before its result is given.

        Args:
            on_end: To be called in the loop when that is done: at once, or later.

        Returns:
            What is being waited for; None where `on_end` was called.
        """
        ...

    def so_far(self) -> R:
        """Return a result of what was kept until now; the run may be at work still."""
        ...

    def result(self) -> R:
        """Return the result of a run that has ended; called once."""
        ...

    def free(self) -> None:
        """Let others have what was run."""
        ...

    @property
    def has_taken_task(self) -> bool:
        """Whether a run that is done has taken its task, and goes on without it."""
        ...

    def active_agents(self) -> list[str]:
        """Return the names of those that a stop interrupts, for a person to read."""
        ...

    def task_infos(self, tasks: list[AnyTask], asked: float | None) -> list[TaskInfo]:
        """Describe tasks that are at work, for a report.

        Args:
            tasks: The run's.
            asked: Seconds since they were asked to end.
        """
        ...


AnyAdapter = Adapter[Any, Any]


class NotKept:
    """What is run, and kept nowhere."""

    def keep(self, on_end: OnKept) -> Conclusion | None:
        """Do nothing: it is written nowhere how it has ended."""
        on_end(None)
        return None
