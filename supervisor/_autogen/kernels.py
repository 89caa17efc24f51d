"""Jupyter kernels that run code for a stopped run: interrupted, or killed where that is in vain.

AutoGen's executor only stops waiting for a cell; the kernel goes on with it. So the kernel is
interrupted, in the way that its kind wants (a signal, or a message). The run has settled only when
the kernel answers again: the next cell finds it idle, with all that it remembers.

It is interrupted once, and once more with the second cancellation, for the code may have a
`finally`. A kernel that has not reported that it runs the cell may ignore an interrupt, and take
the cell afterwards. It is interrupted again and again until it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, Final

from supervisor._autogen import upstream
from supervisor._core.asyncio_tools import retrieve
from supervisor._core.tasks import SCOPE
from supervisor._reports import log_events
from supervisor._reports.log import reporter

_INTERVAL: Final = 0.1  # seconds between two interrupts of a kernel that may not run its cell yet


class Kernel:
    """The kernel of an executor that runs code for a stopped run; it is being interrupted.

    Args:
        executor: AutoGen's Jupyter executor.
        client: The client of its kernel.
        on_end: Called when the kernel is idle, or gone.
    """

    def __init__(self, executor: Any, client: Any, on_end: Callable[[], None]) -> None:
        self.executor = executor
        self._client = client
        self._on_end = on_end
        self._cell = upstream.newest_cell(client)
        self._was_begun = self._cell is not None and upstream.is_begun(self._cell)
        self._is_gone = False
        self._task: asyncio.Task[None] | None = None
        self._begin(self._until_idle())

    @property
    def is_ending(self) -> bool:
        """Whether it still runs code."""
        return self._task is not None

    def interrupt_again(self) -> None:
        """Interrupt it once more, where it still runs code."""
        if self.is_ending and self._was_begun and not self._is_gone:
            self._run(upstream.interrupt_kernel(self._client)).add_done_callback(retrieve)

    def shut_down(self) -> None:
        """Kill it, where it still runs code."""
        if self._task is not None and not self._is_gone:
            self._is_gone = True
            self._task.cancel()
            self._begin(upstream.end_kernel(self.executor))

    def _begin(self, coro: Coroutine[Any, Any, None]) -> None:
        self._task = self._run(coro)
        self._task.add_done_callback(self._ended)

    @staticmethod
    def _run(coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        context = copy_context()
        context.run(SCOPE.set, None)  # the executor's, not the run's
        return asyncio.get_running_loop().create_task(coro, context=context)

    async def _until_idle(self) -> None:
        client = self._client
        await upstream.interrupt_kernel(client)
        answer = asyncio.ensure_future(upstream.until_idle(client))
        try:
            while not (await asyncio.wait([answer], timeout=self._pause()))[0]:
                await upstream.interrupt_kernel(client)
            answer.result()
        finally:
            answer.cancel()
        upstream.forget_cell(client, self._cell)

    def _pause(self) -> float | None:
        return None if self._was_begun else _INTERVAL

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            reporter.event(log_events.KERNEL_NOT_INTERRUPTED, exc_info=error)
        if task is self._task:
            self._task = None
            self._on_end()
