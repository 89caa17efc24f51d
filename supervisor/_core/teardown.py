"""Teardown: bring a stopped run to the point where nothing of it is at work.

All its tasks are cancelled in one step of the loop, once. Why once: a task in its `finally` needs
its seconds, and a cancellation every 50 ms ends that too. They are cancelled a second time half-way
through CANCEL. At ABANDON they are cancelled again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from supervisor._core.asyncio_tools import cancel, retrieve
from supervisor._core.tasks import AnyTask, Scope

RETRY_SECONDS: Final = 0.1
"""How long a task has between two cancellations once it is abandoned."""


class Teardown:
    """What a stopped run waits for.

    Args:
        scope: The tasks of the run.
        on_settled: Called once, when nothing is at work any more.
    """

    def __init__(self, scope: Scope, on_settled: Callable[[], None]) -> None:
        self.scope = scope
        self.attempts: int = 0  # of `abandon`
        self._on_settled = on_settled
        self._pending: set[AnyTask] = set()
        self._retry_timer: asyncio.TimerHandle | None = None
        self._is_over = False

    def cancel_all(self) -> None:
        """Cancel all that is at work, in this step of the loop."""
        self.scope.is_stopping = True
        self.cancel_tasks()
        self.check()

    def cancel_tasks(self) -> None:
        """Cancel the tasks that are at work."""
        self.cancel(*self.scope.at_work())

    def cancel(self, *tasks: AnyTask) -> None:
        """Cancel tasks of the run, and wait for them."""
        for task in tasks:
            if task not in self._pending:
                self._pending.add(task)
                task.add_done_callback(self._ended)
        cancel(*tasks)

    def abandon(self) -> None:
        """Cancel what is left again and again."""
        self._end_timer()
        self.attempts += 1
        self.cancel_left()
        if not self._is_over:
            loop = asyncio.get_running_loop()
            self._retry_timer = loop.call_later(RETRY_SECONDS, self.abandon)

    def cancel_left(self) -> None:
        """Cancel what is left once more, at ABANDON."""
        self.cancel_all()

    def give_up(self) -> None:
        """Leave what refuses to itself: nothing is cancelled any more."""
        self._end_timer()

    def pending(self) -> list[AnyTask]:
        """Return the tasks that were cancelled and are still at work, the newest first."""
        return [task for task in self.scope.alive() if task in self._pending]

    def left(self) -> list[AnyTask]:
        """Return those of the pending tasks that make what was run unusable."""
        return self.pending()

    def leave_helpers(self) -> None:
        """Wait no longer for tasks that leave it usable."""
        self.check()

    def forget(self, tasks: list[AnyTask]) -> None:
        """Wait no longer for these tasks."""
        self._pending.difference_update(tasks)

    @property
    def is_ending(self) -> bool:
        """Whether it also waits for something that is no task."""
        return False

    def check(self) -> None:
        """See whether anything is still at work."""
        if not self._is_over and not self._pending and not self.is_ending:
            self._is_over = True
            self._end_timer()
            self.settled()

    def settled(self) -> None:
        """Report that nothing is at work any more."""
        self.scope.retrieve()
        self._on_settled()

    @property
    def is_over(self) -> bool:
        """Whether nothing is at work any more."""
        return self._is_over

    def _ended(self, task: AnyTask) -> None:
        retrieve(task)
        self._pending.discard(task)
        self.check()

    def _end_timer(self) -> None:
        if self._retry_timer is not None:
            self._retry_timer.cancel()
            self._retry_timer = None
