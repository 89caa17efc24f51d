"""How a runtime is served: its messages are handled by a watcher, or turned away.

A runtime handles each message in a task of its own, made by a method of the runtime. That method is
replaced on the object while the runtime is served. Ours hands the message to the watcher, which can
wait for the task and cancel it, and turns messages away once no further one is to be taken. The
method is put back at the end.

Not chosen: to stop the loop that reads. It also reads the answers that active handlers wait for.

AutoGen's own `stop()` of a worker waits without limit for its handlers. So it is called when none
is active, or when those that are have been given up.
"""

# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, cast

from supervisor._core.tasks import AnyTask

Handle = Callable[..., Coroutine[Any, Any, None]]
TurnAway = Callable[[], Awaitable[None]]


class Watch(Protocol):
    """The watcher of a served runtime: it handles the messages."""

    @property
    def is_closed(self) -> bool:
        """Whether no further message is to be taken."""
        ...

    @property
    def is_at_work(self) -> bool:
        """Whether a message is being handled."""
        ...

    async def handle(self, what: str, handling: Coroutine[Any, Any, None]) -> None:
        """Handle a message, in a task of its own.

        Args:
            what: Whom it is for, or what it is, for a report.
            handling: AutoGen's own coroutine.
        """
        ...

    def refuse(self, what: str) -> None:
        """Count a message that was turned away."""
        ...


class Served(Protocol):
    """A runtime that is served."""

    async def start(self) -> None:
        """Start it, unless it is started."""
        ...

    def watch(self, watch: Watch) -> list[AnyTask]:
        """Hand each message to a watcher from now on.

        Returns:
            The tasks of the messages that are being handled already.
        """
        ...

    def release(self) -> None:
        """Hand over no further message; put AutoGen's methods back."""
        ...

    async def stop(self) -> None:
        """Stop it; no handler is active, or those that are have been given up."""
        ...


class Intake:
    """The methods by which one object takes messages, replaced by ours while it is served.

    Args:
        owner: The object.
        watch: The watcher that handles the messages.
    """

    def __init__(self, owner: Any, watch: Watch) -> None:
        self._owner = owner
        self._watch = watch
        self._replaced: list[str] = []

    def replace(self, name: str, method: Callable[..., Any]) -> Handle:
        """Replace a method of the object, until `put_back`; return AutoGen's own."""
        own: Handle = getattr(self._owner, name)
        vars(self._owner)[name] = method
        self._replaced.append(name)
        return own

    async def take(
        self,
        what: str,
        handle: Callable[[], Coroutine[Any, Any, None]],
        turn_away: TurnAway | None = None,
    ) -> None:
        """Hand a message to the watcher, or turn it away once the watcher is closed.

        Args:
            what: Whom it is for, or what it is, for a report.
            handle: Makes AutoGen's own coroutine that handles it.
            turn_away: Answers one that is turned away; None for a message that is always taken.
        """
        if turn_away is not None and self._watch.is_closed:
            self._watch.refuse(what)
            await turn_away()
        else:
            await self._watch.handle(what, handle())

    def put_back(self) -> None:
        """Put AutoGen's own methods back."""
        attributes = cast("dict[str, Any]", vars(self._owner))
        while self._replaced:
            attributes.pop(self._replaced.pop(), None)


def tolerate_cancellation(intake: Intake, owner: Any) -> list[AnyTask]:
    """Report no cancelled handler to the loop as an error.

    Args:
        intake: The replaced methods of the object.
        owner: The object.

    Returns:
        The tasks of the handlers that are active already.
    """

    def report(task: AnyTask) -> None:
        if not task.cancelled():
            own(task)

    own: Callable[[AnyTask], object] = intake.replace("_raise_on_exception", report)
    found: list[AnyTask] = list(owner._background_tasks)
    for task in found:
        task.remove_done_callback(own)
        task.add_done_callback(report)
    return found
