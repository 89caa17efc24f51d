"""The place of one supervisor among others: around it, inside it, and on other loops.

One that is entered inside the block of another on the same loop is its *child*: what stops the
parent stops the child. One on the loop of another thread is a *guest* (`guests.py`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

from supervisor._core.errors import UsageError
from supervisor._core.tasks import SPAWNED, AnyTask
from supervisor._supervisor.guests import Guests

if TYPE_CHECKING:
    from supervisor._supervisor.facade import Supervisor
    from supervisor._supervisor.scope import StopScope

_current: ContextVar[StopScope | None] = ContextVar("supervisor_current", default=None)

on_enter: Callable[[StopScope], None] | None = None
"""Called before a supervisor is entered; for who has one open that shall then give way to it."""


def innermost() -> StopScope | None:
    """Return what is stopped together here: that of the innermost block that is open."""
    scope = _current.get()
    while scope is not None and not _is_there(scope):  # a task has the context of its start
        scope = scope.nesting.around
    return scope


def _is_there(scope: StopScope) -> bool:
    loop = scope.home.loop
    return scope.phase.is_open and loop is not None and not loop.is_closed()


def use(scope: StopScope) -> Token[StopScope | None]:
    """Make this the innermost of the present context, which was not made inside its block.

    Returns:
        What takes it back: `token.var.reset(token)`.
    """
    return _current.set(scope)


def current() -> Supervisor:
    """Return the supervisor of the innermost block that is open here.

    A task, a callback and a thread of `asyncio.to_thread` are in the block in which they were
    started. In a thread of another kind, and behind the block, there is none.

    Raises:
        UsageError: No block is open here.

    Example:
        ```python
        async def answer(team, question):
            return await supervisor.current().stream(team, question)
        ```
    """
    scope = innermost()
    if scope is None or scope.nesting.supervisor is None:
        raise UsageError(
            "current() needs an open Supervisor around it, and there is none in this context; "
            "call it inside `async with Supervisor():`, or in a task that was started there"
        )
    return scope.nesting.supervisor


class Nesting:
    """The place of one supervisor.

    Args:
        scope: What it stops.
    """

    def __init__(self, scope: StopScope) -> None:
        self._scope = scope
        self.supervisor: Supervisor | None = None
        """The public object, for `current()`."""
        self.around: StopScope | None = None
        """In whose block this one was entered, on whichever loop."""
        self.parent: StopScope | None = None
        """The same, where it is on the same loop."""
        self.children: set[StopScope] = set()
        self.run_count = 0
        """How many runs there are, those of the children included."""
        self.guests = Guests(scope)
        self._told_by: set[Guests] = set()  # of supervisors on other loops
        self.obeys_others = False
        """Whether there is a supervisor that this one obeys."""
        self._spawned_task: weakref.ref[AnyTask] | None = None

    def enter(self) -> None:
        """Take the place inside the block that the context names, if it is open."""
        if on_enter is not None:
            on_enter(self._scope)
        around = innermost()
        _current.set(self._scope)
        if around is None:
            return
        self.around = around
        self.obeys_others = True
        if around.home.loop is self._scope.home.loop:
            self.parent = around
            around.nesting.children.add(self._scope)
            return
        self._spawned_task = SPAWNED.get()
        around.nesting.guests.enter(self._scope)
        self._told_by.add(around.nesting.guests)
        if around.stop.request is not None:
            around.nesting.guests.order(self._scope, around.stop.request, around.stop.rung)

    def leave(self) -> None:
        """Give the place up; those that wait for it look again."""
        _current.set(self.around)
        if self.parent is not None:
            self.parent.nesting.children.discard(self._scope)
            self.parent.wake()
        for guests in list(self._told_by):  # one may tell it meanwhile, in another thread
            guests.leave(self._scope)

    def add_to_count(self, runs: int) -> None:
        """Count runs that have begun, or fewer where they have ended, here and around."""
        scope: StopScope | None = self._scope
        while scope is not None:
            scope.nesting.run_count += runs
            scope = scope.nesting.parent

    def note_teller(self, guests: Guests) -> None:
        """Remember by whom this one was told to stop: they wait until its block is left."""
        self._told_by.add(guests)
        self.obeys_others = True

    @property
    def may_exit(self) -> bool:
        """Whether the process may be ended: not by a guest, nor inside another block."""
        return self.parent is None and self._scope.home.is_in_main_thread

    @property
    def spawned_task(self) -> AnyTask | None:
        """The spawned task in whose thread a guest is."""
        return self._spawned_task() if self._spawned_task is not None else None

    def clip(self) -> None:
        """Have the deadline of each supervisor that this one obeys hold for it too."""
        for guests in list(self._told_by):
            self._scope.stop.clip(guests.host.stop.deadline)
        if self.parent is not None:
            self._scope.stop.clip(self.parent.stop.deadline)
