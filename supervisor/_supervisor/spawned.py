"""The tasks that `Supervisor.spawn` has started, and the failures that nobody has looked at."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from supervisor._core.tasks import SCOPE, SPAWNED
from supervisor._reports import log_events
from supervisor._reports.log import reporter

T = TypeVar("T")


class SpawnedTasks:
    """The spawned tasks of one block.

    Args:
        on_ended: Called when one has ended.
    """

    def __init__(self, on_ended: Callable[[], None]) -> None:
        self._on_ended = on_ended
        self._failed: list[asyncio.Task[Any]] = []
        self.alive: set[asyncio.Task[Any]] = set()
        """Those that have not ended."""
        self.is_closed = False
        """Whether failures concern nobody any more: the block is left."""

    def start(self, coro: Coroutine[Any, Any, T], name: str | None) -> asyncio.Task[T]:
        """Start a task in the running loop."""
        context = contextvars.copy_context()
        context.run(SCOPE.set, None)  # of the supervisor, also when a run's tool spawns it
        task = asyncio.get_running_loop().create_task(coro, name=name, context=context)
        context.run(SPAWNED.set, weakref.ref(task))
        self.alive.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.alive.discard(task)
        if not self.is_closed and _is_unseen(task):
            self._failed.append(task)
        self._on_ended()

    def raise_failures(self, *, is_first: bool) -> None:
        """Raise the failures that nobody has looked at.

        Args:
            is_first: Whether no other error comes out of the block; else they are logged.

        Raises:
            ExceptionGroup: There are some.
        """
        # Asked once more: whoever awaits a task wakes later than our callback.
        unseen = [task for task in self._failed if _is_unseen(task)]
        errors = [error for task in unseen if isinstance(error := task.exception(), Exception)]
        if errors and is_first:
            raise ExceptionGroup("spawned tasks failed", errors)
        for error in errors:
            reporter.event(log_events.SPAWNED_FAILED, exc_info=error)


def _is_unseen(task: asyncio.Task[Any]) -> bool:
    return bool(getattr(task, "_log_traceback", False))  # asyncio's own mark
