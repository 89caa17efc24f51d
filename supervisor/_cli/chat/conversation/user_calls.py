"""Calls of the user's code that are no answer: to build a target, to save, restore and reset it.

They are no runs, so an interrupt does not reach them, and any of them may hang. Here Ctrl-C ends
them: it cancels the call, and leaves one that refuses to itself a second later, or at the next
Ctrl-C. A call that blocked the loop and was interrupted counts as cancelled; without the task
around it that cancellation would be one of the chat itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from supervisor._cli.errors import CommandError

_PATIENCE: Final = 1.0  # seconds for a call to end once it was cancelled

T = TypeVar("T")


class CallStopped(CommandError):
    """The user has stopped a call."""

    def __init__(self) -> None:
        super().__init__("it was stopped", status=1)


class UserCalls:
    """The calls of one chat, one at a time."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._given_up: asyncio.Future[None] | None = None

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it to its end, or until it is stopped.

        Raises:
            CallStopped: It was stopped.
        """
        task = asyncio.create_task(work)
        self._task = task
        task.add_done_callback(_take_error)
        self._given_up = asyncio.get_running_loop().create_future()
        waited: list[asyncio.Future[Any]] = [task, self._given_up]
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the chat itself is cancelled
            task.cancel()
            raise
        finally:
            self._task = None
        if not task.done() or task.cancelled():
            raise CallStopped
        return task.result()

    def stop(self) -> None:
        """Stop the call in progress, if there is one; the second time, do not wait for it."""
        if self._task is None or self._given_up is None:
            return
        if self._task.cancelling():
            _give_up(self._given_up)
        else:
            self._task.cancel()
            asyncio.get_running_loop().call_later(_PATIENCE, _give_up, self._given_up)


def _take_error(task: asyncio.Task[Any]) -> None:
    """Have asyncio not complain of what a call raises that was left to itself."""
    if not task.cancelled():
        task.exception()


def _give_up(given_up: asyncio.Future[None]) -> None:
    if not given_up.done():
        given_up.set_result(None)
