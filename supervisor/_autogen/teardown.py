"""Brings a run of AutoGen's that was told to stop to the point where nothing of it is at work.

In one step of the loop, once:

1. each runtime of the run takes no further message, and its queue is emptied with exact counts;
2. the run's token is cancelled;
3. its tasks are cancelled, the innermost first: handlers, tool calls, whatever they started.

From there AutoGen ends by itself: as the last handler of a runtime ends, its count is made good,
the task that waits for the runtime goes on, and `run_stream` does its own clean-up; a nested team
first, then the one around it.

That comes a second time half-way through CANCEL, and again and again from ABANDON on; see
`_core/teardown.py`.

Why not only the token: AutoGen waits without limit for handlers that do not heed it, for an
`AssistantAgent` whose tool call was cancelled, and for a manager whose model client turned the
cancellation into an error. Why not only the tasks: a nested team that is waiting for its runtime
must not be cancelled there (see `tasks.py`), and user code may look at the token.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from supervisor._autogen import mcp_sessions, upstream
from supervisor._autogen.code_execution import executor_in
from supervisor._autogen.kernels import Kernel
from supervisor._autogen.run_context import RunContext
from supervisor._core.tasks import HELPER, SHIELDED, AnyTask, ShieldedTask
from supervisor._core.teardown import Teardown
from supervisor._process.children import ChildProcesses
from supervisor._reports.frames import frames_of

_DEFERRALS: Final = 5  # steps of the loop for which a cancellation is put off at most
_SECOND_FOR_HELPERS: Final = 6  # half a second after the first: a helper has its order to keep


class AutoGenTeardown(Teardown):
    """What a stopped run of AutoGen's waits for.

    Args:
        context: What is at work for it.
        on_settled: Called once, when nothing is at work any more.
        seconds: How long the processes that run code for it have; they are killed half-way.
    """

    def __init__(self, context: RunContext, on_settled: Callable[[], None], seconds: float) -> None:
        super().__init__(context.scope, on_settled)
        self._context = context
        self._seconds = seconds
        self._children: list[ChildProcesses] = []
        self._kernels: list[Kernel] = []
        self._deferrals = _DEFERRALS

    def cancel_all(self) -> None:
        """Cancel all that is at work, in this step of the loop or in one of the next."""
        is_amid = mcp_sessions.is_handing_over() or self._context.is_starting_process()
        if is_amid and self._deferrals > 0:
            self._deferrals -= 1
            asyncio.get_running_loop().call_soon(self.cancel_all)
            return
        self._deferrals = _DEFERRALS
        self._context.close_journal()
        self._end_executions()
        if upstream.has_kernels():
            self._interrupt_kernels()
        for task, engine in reversed(self._context.engines.items()):
            if not task.done():
                engine.close_intake()
        self._context.shared.withdraw()
        self._context.token.on_cancel = None  # that is for a token that the team's code cancels
        self._context.token.cancel()
        super().cancel_all()
        mcp_sessions.after_cancel()

    def _end_executions(self) -> None:
        """End the processes that run code, and theirs, before the executor ends its own child.

        It would wait for whoever holds the pipes, and leave them behind as orphans.
        """
        if self._children:
            return
        for children in self._context.expired:
            self._begin_to_end(children, self._seconds)
        self._end_processes(self._context.executions(), self._seconds)

    def _interrupt_kernels(self) -> None:
        """Interrupt the code that Jupyter kernels run for it; once more, what was interrupted."""
        for kernel in self._kernels:
            kernel.interrupt_again()
        known = {id(kernel.executor) for kernel in self._kernels}
        found = (executor_in(frames_of(task)) for task in self.scope.at_work())
        for executor in {id(it): it for it in found if it is not None}.values():
            client = upstream.kernel_client(executor)
            if client is not None and id(executor) not in known:
                self._kernels.append(Kernel(executor, client, self.check))

    def _end_processes(self, pids: list[int], seconds: float) -> None:
        if pids:
            children = ChildProcesses(pids)
            children.scan()  # now, for who is found is not lost when its parent ends
            self._begin_to_end(children, seconds)

    def _begin_to_end(self, children: ChildProcesses, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._children.append(children)
        children.end_in_background(seconds, lambda _: self._check_soon(loop))

    def _check_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # closed: nobody waits
            loop.call_soon_threadsafe(self.check)

    def cancel_left(self) -> None:
        """Cancel what is left once more, helpers too."""
        if self.attempts == 1:  # beside the session's own end, which takes up to four seconds
            self._end_processes(self._context.servers(), self._seconds / 2)
        pending = set(self.pending())
        for task in self.scope.alive(HELPER):  # each ends what it has started, in order
            if task not in pending or self.attempts == _SECOND_FOR_HELPERS:
                self.cancel(task)
        super().cancel_left()
        for kernel in self._kernels:
            kernel.shut_down()

    def give_up(self) -> None:
        """Leave what refuses to itself: nothing is cancelled any more, nothing is shielded."""
        super().give_up()
        for task in self.scope.alive(SHIELDED):
            # One that a program's own task factory has made is not shielded, and has ended before.
            if isinstance(task, ShieldedTask):
                task.shielded = False

    def left(self) -> list[AnyTask]:
        """Return the tasks that were cancelled and are still at work, the newest first.

        A helper is not among them: it is no reason to do without its team.
        """
        helping = set(self.scope.alive(HELPER))
        return [task for task in self.pending() if task not in helping]

    def leave_helpers(self) -> None:
        """Wait no longer for helpers that refuse to end."""
        self.forget(self.scope.alive(HELPER))
        self._children.clear()
        self._kernels.clear()
        super().leave_helpers()

    def cancel(self, *tasks: AnyTask) -> None:
        """Cancel tasks of the run, and wait for them."""
        mcp_sessions.before_cancel(tasks)
        super().cancel(*tasks)

    def check(self) -> None:
        """See whether anything is still at work."""
        if self.is_over:
            return
        # Also where the message loop has ended already: its last handler may end after it.
        for engine in reversed(list(self._context.engines.values())):
            engine.settle_count()
        super().check()

    @property
    def is_ending(self) -> bool:
        """Whether a process or a kernel is being ended."""
        endings: list[ChildProcesses | Kernel] = [*self._children, *self._kernels]
        return any(ending.is_ending for ending in endings)

    def settled(self) -> None:
        """Leave the user's runtimes as they were found."""
        self._context.shared.restore()
        super().settled()
