"""The tasks of a run: which tasks it has created, and which of them a stop may cancel.

AutoGen handles each message in a task of its own and keeps no tree of these tasks. An
`AssistantAgent` does the same with its tool calls. To stop a run, all of them must be found.

A context variable is set around the run. asyncio copies it into each task that the run creates, at
any depth, those of nested teams included. A task factory reads it, and adds the task to the run's
`Scope`. Not chosen:

- to compare `asyncio.all_tasks()` before and after: that takes the tasks of parallel runs, and of
  the user's own code, for this run's;
- to walk AutoGen's attributes (participants, wrapped agents, tools): that needs a private name for
  each class that can hold a team, and misses the user's own classes;
- `Task.get_context()`, which needs no factory, but exists from Python 3.12 on.

The factory never raises by itself. An exception would come out where AutoGen creates the task,
often in a message loop: the loop would end, and its team would wait for ever. So the factory passes
the exception to the run, which ends with it.

The factory is installed only while runs are active, and calls the factory that it replaced. It
costs one dictionary entry for each task. Finished tasks are forgotten whenever the dictionary has
doubled.

The variable is not enough where a runtime that the user started handles messages: its tasks have
the context of no run, or of another one. There a function says which run a task belongs to, and
the task is created in a context of that run.

Three kinds of tasks must not be cancelled like the others. A runtime's message loop ends when its
queue is shut down. The task in which a team waits for its runtime to become idle is *shielded*: if
a cancellation reached it, the runtime would replace its queue while handlers still use it, and
raise `task_done() called too many times`. And a *helper* (an MCP session's actor, a browser)
outlives the turn that started it.
"""

from __future__ import annotations

import asyncio
import functools
import weakref
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast
from weakref import WeakKeyDictionary

from supervisor._core.asyncio_tools import refuse_eager, retrieve

AnyTask = asyncio.Task[Any]
AnyFactory = Callable[..., Any]

SCOPE: ContextVar[Scope | None] = ContextVar("supervisor_scope", default=None)

SPAWNED: ContextVar[weakref.ref[AnyTask] | None] = ContextVar("supervisor_spawned", default=None)
"""The task of `Supervisor.spawn` that started this one, directly or not."""


@dataclass(frozen=True, eq=False, slots=True)
class Kind:
    """What a task of a run does. Each adapter can have more kinds than the four below.

    Not an Enum: this is the hot path, where looking up a member takes as long as looking up a
    dictionary entry, and hashing one takes a call of a Python function.

    Args:
        what: The same in words.
        is_at_work: Whether a stop has to end it.
        is_started: Whether it works for the task that has created it; else it is its own root.
        is_observed: Whether the observer learns of the tasks that it creates.
        is_placed: Whether `FindScope` decides for it, although its context has a scope.
        is_gated: Whether it passes the gate of its run, where it has one.
    """

    what: str
    is_at_work: bool = False
    is_started: bool = False
    is_observed: bool = False
    is_placed: bool = False
    is_gated: bool = False


DRIVER: Final = Kind("reads the events", is_at_work=True)
WORK: Final = Kind("was started by another task", is_at_work=True, is_started=True)
SHIELDED: Final = Kind("must not be cancelled")
HELPER: Final = Kind("outlives the turn")

_NOTHING: Final[tuple[Kind, Any]] = (WORK, None)

Classify = Callable[[Any], tuple[Kind, Any]]
"""Takes the coroutine of a new task; returns what the task does, and details for the observer."""

FindScope = Callable[[Any, "Scope | None"], "Scope | None"]
"""Takes the coroutine of a new task and the scope of its context; returns the scope it belongs to.

Called for coroutines whose context has no scope, and for kinds with `is_placed`.
"""


class Observer(Protocol):
    """Learns of the tasks of a run that need attention, before their first step."""

    def observe(self, kind: Kind, task: AnyTask, coro: Any, more: Any) -> None:
        """Note a new task of any kind but WORK."""
        ...

    def observe_child(self, kind: Kind, creator: AnyTask, task: AnyTask, coro: Any) -> None:
        """Note that a task of this kind, which is observed, starts another one."""
        ...


class ShieldedTask(asyncio.Task[Any]):
    """A task that ignores `cancel()`. A task that awaits it is cancelled once this one is done."""

    shielded: bool = True

    def cancel(self, msg: Any | None = None) -> bool:
        """Do nothing while shielded.

        False makes a task that awaits this one keep its own cancellation: asyncio raises it in that
        task as soon as this one has ended.
        """
        return False if self.shielded else super().cancel(msg)


class Scope:
    """The tasks that were created in the context of one run.

    Args:
        classify: Says what a task does.
        observer: Learns of each task that is more than work.
    """

    def __init__(self, classify: Classify, observer: Observer) -> None:
        self.classify = classify
        self._observer = observer
        # For each task, what it does and its root: the handler that started it, directly or not.
        # Handlers, the driver and helpers are their own roots. Tuples: this is the hot path.
        self._entries: dict[AnyTask, tuple[Kind, AnyTask | None]] = {}
        self._limit = 64
        self.new_context: Context | None = None
        """The context of the task that is being added, where that is its own, and is observed."""
        self.is_stopping = False
        """Whether a stop has cancelled its tasks; their log records are dropped from then on."""
        self.is_interrupted: Callable[[], bool] = lambda: False
        """Returns whether a signal has interrupted the run; records are dropped then, too."""
        self.gate: Callable[[Any], Any] | None = None
        """Takes the coroutine of a task that is gated; returns the one that the task runs instead.

        The observer is told of the original one. Where that was never begun, it is closed."""
        self.on_failure: Callable[[Exception], None] | None = None
        """Called where `classify`, `find_scope` or the observer failed as a task was created."""

    def add(self, task: AnyTask, kind: Kind, coro: Any, more: Any = None) -> None:
        """Add a task that was just created in this scope."""
        entries = self._entries
        if kind.is_started:
            by = cast(AnyTask, asyncio.current_task(task.get_loop()))
            creator = entries.get(by)
            entries[task] = (kind, creator[1] if creator is not None else None)
            if creator is not None and creator[0].is_observed:
                self._observer.observe_child(creator[0], by, task, coro)
        else:
            entries[task] = (kind, task)
        if kind is not WORK:
            self._observer.observe(kind, task, coro, more)
        if len(entries) > self._limit:
            self._forget_done()

    def root(self, task: AnyTask | None) -> AnyTask | None:
        """Return the handler or driver that a task works for; None where that is not known."""
        entry = self._entries.get(task) if task is not None else None
        return entry[1] if entry is not None else None

    def _forget_done(self) -> None:
        self._entries = {t: entry for t, entry in self._entries.items() if not t.done()}
        self._limit = max(64, 2 * len(self._entries))

    def alive(self, *kinds: Kind) -> list[AnyTask]:
        """Return the unfinished tasks of these kinds, the newest (so the innermost) first.

        Args:
            kinds: None stands for all.
        """
        return [
            task
            for task, (kind, _) in reversed(self._entries.items())
            if (not kinds or kind in kinds) and not task.done()
        ]

    def at_work(self) -> list[AnyTask]:
        """Return the unfinished tasks that a stop has to end, the newest first.

        Helpers and what they started are left out. So is a task whose handler has ended before it:
        it was meant to outlive its turn.
        """
        return [
            task
            for task, (kind, _) in reversed(self._entries.items())
            if kind.is_at_work and not task.done() and not self._is_helping(task)
        ]

    def helping(self) -> list[AnyTask]:
        """Return the unfinished helpers and what they started, the newest first."""
        return [task for task in self.alive() if self._is_helping(task)]

    def _is_helping(self, task: AnyTask) -> bool:
        kind, root = self._entries[task]
        if kind.is_started and root is not None:
            return root.done() or self._entries[root][0] is HELPER
        return kind is HELPER

    def retrieve(self) -> None:
        """Read the exceptions of finished tasks, so that asyncio does not report them."""
        for task in self._entries:
            retrieve(task)


class TaskFactory:
    """The task factory of one loop. It calls the factory that it replaced."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Weak: `_factories` is keyed by the loop, and a strong reference would keep it alive.
        self._loop = weakref.ref(loop)
        self._replaced: AnyFactory | None = None
        self._users = 0
        self.wrap: Callable[[Any], Any] | None = None
        """Called with each coroutine of a run, where set: `supervisor.testing` counts steps so."""
        self._find_scope: FindScope | None = None

    def acquire(self, find_scope: FindScope | None = None) -> None:
        """Install the factory where this is the first run that needs it.

        Args:
            find_scope: Finds the scope that a task belongs to. None: the context alone decides,
                unless another run has given a function.

        Raises:
            UsageError: An eager task factory is installed; AutoGen hangs under it.
        """
        loop = self._loop()
        assert loop is not None, "a run is at work in it"
        refuse_eager(loop)
        if self._users == 0:
            self._replaced = loop.get_task_factory()
            loop.set_task_factory(cast(Any, self._create))
        self._find_scope = find_scope or self._find_scope
        self._users += 1

    def release(self) -> None:
        """Restore the replaced factory where ours is still installed and no other run needs it."""
        self._users -= 1
        loop = self._loop()
        if self._users == 0:
            self._find_scope = None
        if self._users == 0 and loop is not None and loop.get_task_factory() == self._create:
            loop.set_task_factory(self._replaced)

    def _create(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any
    ) -> Any:
        context = options.get("context") if options else None
        scope = found = SCOPE.get() if context is None else context.get(SCOPE)
        kind, more = _NOTHING
        try:
            if scope is not None:
                kind, more = scope.classify(coro)
            if self._find_scope is not None and (scope is None or kind.is_placed):
                scope = self._find_scope(coro, found)
                if scope is not found:
                    options["context"] = _within(scope, context)
                    kind, more = _NOTHING if scope is None else scope.classify(coro)
        except Exception as error:  # noqa: BLE001 - it would come out in the code that creates the task
            _failed(loop, found, error)
        if scope is None:
            return self._make(asyncio.Task, loop, coro, options)
        scope.new_context = self._own_context(options, context) if kind.is_observed else None
        is_plain = kind is not SHIELDED and not kind.is_gated
        if is_plain and self.wrap is None and self._replaced is None:
            task = asyncio.Task(coro, loop=loop, **options)
        else:
            task = self._make_special(scope, kind, loop, coro, options)
        try:
            scope.add(task, kind, coro, more)
        except Exception as error:  # noqa: BLE001 - the same
            _failed(loop, scope, error)
        return task

    def _own_context(self, options: Any, given: Context | None) -> Context | None:
        """Return the context of a new task; None where it is not the task's alone."""
        if given is not None or self._replaced is not None:
            return None
        if options.get("context") is None:  # uvloop gives None
            options["context"] = copy_context()  # as the task itself would
        own: Context = options["context"]
        return own

    def _make_special(
        self, scope: Scope, kind: Kind, loop: asyncio.AbstractEventLoop, coro: Any, options: Any
    ) -> Any:
        gate = scope.gate if kind.is_gated else None
        work = coro if gate is None else gate(coro)
        cls = ShieldedTask if kind is SHIELDED else asyncio.Task
        task = self._make(cls, loop, work if self.wrap is None else self.wrap(work), options)
        if gate is not None:  # cancelled there it is never begun, of which Python would warn
            task.add_done_callback(functools.partial(_close, coro))
        return task

    def _make(
        self,
        cls: type[AnyTask],
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, Any],
        options: Any,
    ) -> Any:
        if self._replaced is not None:
            return self._replaced(loop, coro, **options)
        return cls(coro, loop=loop, **options)


def _close(coro: Coroutine[Any, Any, Any], _task: AnyTask) -> None:
    coro.close()


def _failed(loop: asyncio.AbstractEventLoop, scope: Scope | None, error: Exception) -> None:
    if scope is not None and scope.on_failure is not None:
        scope.on_failure(error)
    else:
        loop.call_exception_handler({"message": "a task was not followed", "exception": error})


def _within(scope: Scope | None, context: Context | None) -> Context:
    """Return a copy of this context (or of the current one) with another scope."""
    inside = context.copy() if context is not None else copy_context()
    inside.run(SCOPE.set, scope)
    return inside


_factories: WeakKeyDictionary[asyncio.AbstractEventLoop, TaskFactory] = WeakKeyDictionary()


def task_factory(loop: asyncio.AbstractEventLoop) -> TaskFactory:
    """Return the task factory for this loop, which the runs of all supervisors share."""
    factory = _factories.get(loop)
    if factory is None:
        factory = _factories[loop] = TaskFactory(loop)
    return factory
