"""The tasks of a run: who was created on its behalf, and which of them may be cancelled.

AutoGen starts every handler of a message as a task of its own and keeps no tree of them; an
`AssistantAgent` does the same with its tool calls. To stop a run one has to find them all.

A context variable set around the run is copied by asyncio into each task that the run creates,
at any depth, nested teams included. A task factory reads it and notes the task in the run's
`Scope`. What was not chosen:

- comparing `asyncio.all_tasks()` before and after takes the tasks of parallel runs and of the
  user's own code for ours;
- walking AutoGen's attributes (participants, wrapped agents, tools) needs a private name for each
  class that can hold a team, and misses the user's own;
- `Task.get_context()` would need no factory, but exists from Python 3.12 on.

The factory never raises by itself. What goes wrong in it would come out where AutoGen creates the
task, often in a message loop, which ends by that while its team waits for ever. So the run is told
of it, and ends.

The factory is installed only while runs are active, and calls the one that it found. It costs a
dictionary entry a task; finished tasks are forgotten whenever the dictionary has doubled.

Where the variable is of no help (a runtime that the user started handles messages in tasks of its
own, born in nobody's context or in another run's) a function says whose task it is, and the task
is created in a context of that run.

Three kinds of task must not be cancelled like the others. A runtime's message loop ends when its
queue is shut. The task in which a team waits for its runtime to become idle is *shielded*: a
cancellation that goes through to it replaces the runtime's queue under handlers that still count
on it, which is where `task_done() called too many times` comes from. And a *helper* (an MCP
session's actor, a browser) outlives the turn that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import weakref
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, Protocol, cast
from weakref import WeakKeyDictionary

from supervisor._core.errors import UsageError

AnyTask = asyncio.Task[Any]
AnyFactory = Callable[..., Any]

SCOPE: ContextVar[Scope | None] = ContextVar("supervisor_scope", default=None)

SPAWNED: ContextVar[weakref.ref[AnyTask] | None] = ContextVar("supervisor_spawned", default=None)
"""The spawned task that has started this one, directly or not."""


class Kind(enum.Enum):
    """What a task of a run does."""

    DRIVER = "iterates the team"
    HANDLER = "handles a message"
    WORK = "was started by a handler"
    SELECTION = "selects the next speaker"
    CALL = "calls a tool"
    PROCESS = "starts a process"
    ENGINE = "passes messages on"
    SHIELDED = "waits for the runtime"
    HELPER = "outlives the turn"


# On the hot path: to look up a member of an Enum takes as long as to look up a dictionary entry.
# To hash one takes a call of Python's.
_WORK, _CALL, _SELECTION, _HANDLER = Kind.WORK, Kind.CALL, Kind.SELECTION, Kind.HANDLER
_ENGINE, _SHIELDED, _PROCESS = Kind.ENGINE, Kind.SHIELDED, Kind.PROCESS
_STARTED = (Kind.WORK, Kind.SELECTION, Kind.CALL, Kind.PROCESS)
_NOTHING: Final[tuple[Kind, Any]] = (Kind.WORK, None)
_AT_WORK = (Kind.DRIVER, Kind.HANDLER, *_STARTED)

Classify = Callable[[Any], tuple[Kind, Any]]
"""Given a coroutine, says what the task does that is being created; and more, for the observer."""

FindScope = Callable[[Any, "Scope | None"], "Scope | None"]
"""Given a coroutine and the scope of its context, says in which scope its task belongs.

Asked of coroutines without a scope, and of message loops.
"""


class Observer(Protocol):
    """Is told of the tasks of a run that mean something, before their first step."""

    def observe(self, kind: Kind, task: AnyTask, coro: Any, more: Any) -> None:
        """A task of any kind but WORK was created."""
        ...

    def observe_child(self, call: AnyTask, coro: Any) -> None:
        """The task of a tool call has started another one."""
        ...

    def observe_delivery(self, handler: AnyTask, task: AnyTask) -> None:
        """The task of a handler has started another one."""
        ...


class ShieldedTask(asyncio.Task[Any]):
    """A task that `cancel()` does not reach: who awaits it is cancelled once it is done."""

    shielded: bool = True

    def cancel(self, msg: Any | None = None) -> bool:
        """Do nothing while shielded.

        False makes a task that awaits this one remember its own cancellation: asyncio raises it
        in that task as soon as this one has ended.
        """
        return False if self.shielded else super().cancel(msg)


class Scope:
    """The tasks created in the context of one run.

    Args:
        classify: Says what a task does.
        observer: Told of each task that is more than work.
    """

    def __init__(self, classify: Classify, observer: Observer) -> None:
        self.classify = classify
        self._observer = observer
        # What each does, and on whose behalf: the root is the handler that started it, directly
        # or not; handlers, the driver and helpers are their own. Tuples: this is the hot path.
        self._entries: dict[AnyTask, tuple[Kind, AnyTask | None]] = {}
        self._limit = 64
        self.is_stopping = False
        """Whether a stop has cancelled its tasks; their log records are dropped from then on."""
        self.is_interrupted: Callable[[], bool] = lambda: False
        """Returns whether a signal has interrupted the run; records are dropped then, too."""
        self.on_failure: Callable[[Exception], None] | None = None
        """Called where it could not be told what a task does, in the midst of its creation."""

    def note(self, task: AnyTask, kind: Kind, coro: Any, more: Any = None) -> None:
        """Remember a task that was just created in this scope."""
        entries = self._entries
        if kind is _WORK or kind is _CALL or kind is _SELECTION or kind is _PROCESS:
            by = cast(AnyTask, asyncio.current_task(task.get_loop()))
            creator = entries.get(by)
            entries[task] = (kind, creator[1] if creator is not None else None)
            if creator is not None and creator[0] is _CALL:
                self._observer.observe_child(by, coro)
            elif creator is not None and creator[0] is _HANDLER:
                self._observer.observe_delivery(by, task)
        else:
            entries[task] = (kind, task)
        if kind is not _WORK:
            self._observer.observe(kind, task, coro, more)
        if len(entries) > self._limit:
            self._forget_done()

    def root(self, task: AnyTask | None) -> AnyTask | None:
        """The handler, or the driver, on whose behalf a task works; None if it is not known."""
        entry = self._entries.get(task) if task is not None else None
        return entry[1] if entry is not None else None

    def _forget_done(self) -> None:
        self._entries = {t: entry for t, entry in self._entries.items() if not t.done()}
        self._limit = max(64, 2 * len(self._entries))

    def alive(self, *kinds: Kind) -> list[AnyTask]:
        """The unfinished tasks of these kinds, the newest (and so the innermost) first."""
        return [
            task
            for task, (kind, _) in reversed(self._entries.items())
            if kind in kinds and not task.done()
        ]

    def at_work(self) -> list[AnyTask]:
        """The unfinished tasks that a stop has to end, the newest first.

        Left out are helpers and what they started, and any task whose handler has ended before
        it: that one was meant to outlive its turn.
        """
        working = self.alive(*_AT_WORK)
        return [task for task in working if not self._is_helping(task)]

    def helping(self) -> list[AnyTask]:
        """The unfinished helpers and what they started, the newest first."""
        candidates = self.alive(Kind.HELPER, *_STARTED)
        return [task for task in candidates if self._is_helping(task)]

    def _is_helping(self, task: AnyTask) -> bool:
        kind, root = self._entries[task]
        if kind in _STARTED and root is not None:
            return root.done() or self._entries[root][0] is Kind.HELPER
        return kind is Kind.HELPER

    def retrieve(self) -> None:
        """Look at the failures of finished tasks, so that asyncio does not report them."""
        for task in self._entries:
            retrieve(task)


class Tracker:
    """The task factory of one loop, chained to the one that was found."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)  # of which it is kept by: else no loop would be let go
        self._found: AnyFactory | None = None
        self._users = 0
        self.wrap: Callable[[Any], Any] | None = None
        """Put around each coroutine of a run, where set: `supervisor.testing` counts steps so."""
        self._find_scope: FindScope | None = None

    def hold(self, find_scope: FindScope | None = None) -> None:
        """Install the factory, if this is the first run that needs it.

        Args:
            find_scope: Asked whose each task of the loop is; None goes by the context alone, unless
                another run has given one.

        Raises:
            UsageError: An eager task factory is installed; AutoGen hangs under it.
        """
        loop = self._loop()
        assert loop is not None, "a run is at work in it"
        refuse_eager(loop)
        if self._users == 0:
            self._found = loop.get_task_factory()
            loop.set_task_factory(cast(Any, self._create))
        self._find_scope = find_scope or self._find_scope
        self._users += 1

    def release(self) -> None:
        """Put back the factory that was found, if ours is still in place and no run needs it."""
        self._users -= 1
        loop = self._loop()
        if self._users == 0:
            self._find_scope = None
        if self._users == 0 and loop is not None and loop.get_task_factory() == self._create:
            loop.set_task_factory(self._found)

    def _create(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any
    ) -> Any:
        context = options.get("context") if options else None
        scope = found = SCOPE.get() if context is None else context.get(SCOPE)
        kind, more = _NOTHING
        try:
            if scope is not None:
                kind, more = scope.classify(coro)
            if self._find_scope is not None and (scope is None or kind is _ENGINE):
                scope = self._find_scope(coro, found)
                if scope is not found:
                    options["context"] = _within(scope, context)
                    kind, more = _NOTHING if scope is None else scope.classify(coro)
        except Exception as error:  # noqa: BLE001 - whoever creates the task would get it
            _failed(loop, found, error)
        if scope is None:
            return self._make(asyncio.Task, loop, coro, options)
        if self.wrap is None and self._found is None and kind is not _SHIELDED:
            task = asyncio.Task(coro, loop=loop, **options)
        else:
            cls = ShieldedTask if kind is _SHIELDED else asyncio.Task
            task = self._make(cls, loop, coro if self.wrap is None else self.wrap(coro), options)
        try:
            scope.note(task, kind, coro, more)
        except Exception as error:  # noqa: BLE001 - the same
            _failed(loop, scope, error)
        return task

    def _make(
        self,
        cls: type[AnyTask],
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, Any],
        options: Any,
    ) -> Any:
        if self._found is not None:
            return self._found(loop, coro, **options)
        return cls(coro, loop=loop, **options)


def _failed(loop: asyncio.AbstractEventLoop, scope: Scope | None, error: Exception) -> None:
    if scope is not None and scope.on_failure is not None:
        scope.on_failure(error)
    else:
        loop.call_exception_handler({"message": "a task was not followed", "exception": error})


def _within(scope: Scope | None, context: Context | None) -> Context:
    """A context like this one (or the current one), but of another scope."""
    inside = context.copy() if context is not None else copy_context()
    inside.run(SCOPE.set, scope)
    return inside


_trackers: WeakKeyDictionary[asyncio.AbstractEventLoop, Tracker] = WeakKeyDictionary()


def tracker(loop: asyncio.AbstractEventLoop) -> Tracker:
    """The tracker of this loop; runs of several supervisors share it."""
    found = _trackers.get(loop)
    if found is None:
        found = _trackers[loop] = Tracker(loop)
    return found


def refuse_eager(loop: asyncio.AbstractEventLoop) -> None:
    """Raise where the loop's tasks run before they are known.

    Raises:
        UsageError: An eager task factory is installed.
    """
    factory = loop.get_task_factory()
    if "eager_task_factory" in getattr(factory, "__qualname__", ""):
        raise UsageError(
            "an eager task factory is installed on the loop, and AutoGen hangs under it; "
            "call loop.set_task_factory(None) before you enter the Supervisor"
        )


def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task, if that can be done: asyncio recurses through tasks that wait in a ring."""
    with contextlib.suppress(RecursionError):
        task.cancel()


def retrieve(task: asyncio.Future[Any]) -> None:
    """Look at a finished task's failure, so that asyncio does not report it as unseen."""
    if task.done() and not task.cancelled():
        task.exception()
