"""Settling: brings a run that was told to stop to the point where nothing of it is at work.

In one step of the loop, once:

1. each runtime of the run takes no further message, and its queue is emptied with exact counts;
2. the run's token is cancelled;
3. its tasks are cancelled, the innermost first: handlers, tool calls, whatever they started.

From there AutoGen ends by itself: as the last handler of a runtime ends, its count is made good,
the task that waits for the runtime goes on, and `run_stream` does its own clean-up; a nested team
first, then the one around it.

Why once: a task in its `finally` needs its seconds, and a cancellation every 50 ms ends that too.
A second strike comes half-way through CANCEL. At ABANDON they come again and again.

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
from supervisor._autogen.upstream import Engine
from supervisor._core.tasks import AnyTask, Kind, ShieldedTask, cancel, retrieve
from supervisor._process.children import ChildProcesses
from supervisor._reports.frames import frames_of

HAMMER_SECONDS: Final = 0.1
"""How long a task has between two cancellations once it is abandoned."""

_STEPS: Final = 5  # of the loop, that a strike waits for at most
_SECOND_BLOW: Final = 6  # half a second after the first: a helper has its order to keep


class Teardown:
    """What a stopped run waits for.

    Args:
        stage: What is at work for it.
        on_settled: Called once, when nothing is at work any more.
        seconds: How long the processes that run code for it have; they are killed half-way.
    """

    def __init__(
        self, stage: RunContext, on_settled: Callable[[], None], seconds: float = 2.0
    ) -> None:
        self._stage = stage
        self._scope = stage.scope
        self._on_settled = on_settled
        self._seconds = seconds
        self._children: list[ChildProcesses] = []
        self._kernels: list[Kernel] = []
        self._struck: set[AnyTask] = set()
        self._hammer: asyncio.TimerHandle | None = None
        self._is_over = False
        self._patience = _STEPS
        self._blows = 0

    def strike(self) -> None:
        """Cancel all that is at work, in this step of the loop."""
        self._patience -= 1
        is_amid = mcp_sessions.is_handing_over() or self._stage.is_starting_process()
        if self._patience > 0 and is_amid:
            asyncio.get_running_loop().call_soon(self.strike)
            return
        self._patience = _STEPS
        self._stage.close_journal()
        self._end_executions()
        self._interrupt_kernels()
        self._scope.is_hushed = True
        for engine in self._live_engines():
            engine.close_intake()
        self._stage.shared.withdraw()
        self._stage.token.cancel()
        for task in self._scope.at_work():
            self.cancel(task)
        mcp_sessions.after_cancel()
        self._look()

    def _end_executions(self) -> None:
        """End the processes that run code, and theirs, before the executor ends its own child.

        It would wait for whoever holds the pipes, and leave them behind as orphans.
        """
        if self._children:
            return
        for children in self._stage.expired():
            self._begin_to_end(children, self._seconds)
        self._end_processes(self._stage.executions(), self._seconds)

    def _interrupt_kernels(self) -> None:
        """Interrupt the code that Jupyter kernels run for it; once more, what was interrupted."""
        if not upstream.has_kernels():
            return
        for kernel in self._kernels:
            kernel.again()
        known = {id(kernel.executor) for kernel in self._kernels}
        found = (executor_in(frames_of(task)) for task in self._scope.at_work())
        for executor in {id(it): it for it in found if it is not None}.values():
            client = upstream.kernel_client(executor)
            if client is not None and id(executor) not in known:
                self._kernels.append(Kernel(executor, client, self._look))

    def _end_processes(self, pids: list[int], seconds: float) -> None:
        if pids:
            children = ChildProcesses(pids)
            children.scan()  # now, for who is found is not lost when its parent ends
            self._begin_to_end(children, seconds)

    def _begin_to_end(self, children: ChildProcesses, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._children.append(children)
        children.end_in_background(seconds, lambda _: self._look_soon(loop))

    def _look_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # closed: nobody waits
            loop.call_soon_threadsafe(self._look)

    def abandon(self) -> None:
        """Cancel what is left again and again, helpers too."""
        self._stop_hammer()
        self._blows += 1
        if self._blows == 1:  # beside the session's own end, which takes up to four seconds
            self._end_processes(self._stage.servers(), self._seconds / 2)
        for task in self._scope.alive(Kind.HELPER):  # each ends what it has started, in order
            if task not in self._struck or self._blows == _SECOND_BLOW:
                self.cancel(task)
        self.strike()
        for kernel in self._kernels:
            kernel.shut_down()
        if not self._is_over:
            loop = asyncio.get_running_loop()
            self._hammer = loop.call_later(HAMMER_SECONDS, self.abandon)

    def give_up(self) -> None:
        """Leave what refuses to itself: nothing is cancelled any more, nothing is shielded."""
        self._stop_hammer()
        for task in self._scope.alive(Kind.SHIELDED):
            if isinstance(task, ShieldedTask):
                task.shielded = False

    def left(self) -> list[AnyTask]:
        """The tasks that were cancelled and are still at work, the newest first.

        A helper is not among them: it is no reason to do without its team.
        """
        helping = set(self._scope.alive(Kind.HELPER))
        return [task for task in self.struck() if task not in helping]

    def struck(self) -> list[AnyTask]:
        """The same, and the helpers that were cancelled."""
        return [task for task in self._scope.alive(*Kind) if task in self._struck]

    def leave_helpers(self) -> None:
        """Wait no longer for helpers that refuse to end."""
        self._struck.difference_update(self._scope.alive(Kind.HELPER))
        self._children.clear()
        self._kernels.clear()
        self._look()

    def _live_engines(self) -> list[Engine]:
        engines = reversed(self._stage.engines.items())
        return [engine for task, engine in engines if not task.done()]

    def cancel(self, task: AnyTask) -> None:
        """Cancel a task of the run, and wait for it."""
        if task not in self._struck:
            self._struck.add(task)
            task.add_done_callback(self._ended)
        mcp_sessions.before_cancel(task)
        cancel(task)

    def _ended(self, task: AnyTask) -> None:
        retrieve(task)
        self._struck.discard(task)
        self._look()

    def _look(self) -> None:
        if self._is_over:
            return
        # Also where the message loop has ended already: its last handler may end after it.
        for engine in reversed(list(self._stage.engines.values())):
            engine.settle_count()
        endings: list[ChildProcesses | Kernel] = [*self._children, *self._kernels]
        if not self._struck and not any(ending.is_ending for ending in endings):
            self._is_over = True
            self._stop_hammer()
            self._stage.shared.restore()
            self._scope.retrieve()
            self._on_settled()

    def _stop_hammer(self) -> None:
        if self._hammer is not None:
            self._hammer.cancel()
            self._hammer = None
