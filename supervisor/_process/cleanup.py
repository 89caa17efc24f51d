"""What a stop does with the processes that the program has started: finds, ends and reports them.

It scans for them at each step of a stop, before anything is cancelled: a task that is cancelled
ends its child, and then the child's own children could not be found any more. They are ended last
of all, after the body and the interpreter's own end. There multiprocessing, ray and browser drivers
end theirs in order; a pool hangs if its workers are terminated before that. At ABANDON they are
ended at the latest.

Not chosen: to end them as their run settles. A process belongs to the program and not to a run; of
two runs at work at once, nothing shows which of them has started a process.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from supervisor._core.settings import Children
from supervisor._process import final_sweep
from supervisor._process.children import ChildProcesses
from supervisor._process.process_info import ProcessInfo
from supervisor._process.process_table import has_children
from supervisor._process.subreaper import Subreaper
from supervisor._reports import log_events
from supervisor._reports.log import reporter

_REPORT_SECONDS: Final = 0.2  # for the last report on them


class ChildCleanup:
    """The processes that one supervisor's program has started, from its block on.

    Args:
        policy: Which of them a stop by a signal ends.
        on_killed: Called with those that had to be killed; in any thread.
        on_over: Called when `end_in_background` is over; in any thread.
    """

    def __init__(
        self,
        policy: Children,
        on_killed: Callable[[Sequence[ProcessInfo]], object],
        on_over: Callable[[], object],
    ) -> None:
        self._policy = policy
        self._on_killed = on_killed
        self._on_over = on_over
        self._subreaper: Subreaper | None = None
        self.children: ChildProcesses | None = None
        """None where the process is not the supervisor's to end, and before `open`.

        What is put here before that counts more: those that the program has started earlier.
        """
        self.ends_with_program = False
        """Whether they are ended at the end of the program, and not at that of the block."""

    def open(self) -> None:
        """Count processes that are started from here on."""
        takes_daemons = self._policy == "end"
        if self.children is None:
            self.children = ChildProcesses(is_program=self.sweeps_all, takes_daemons=takes_daemons)
        if takes_daemons:
            self._subreaper = Subreaper(self.children)
            self._subreaper.begin()

    def close(self) -> None:
        """Stop adopting orphans as the block is left, unless that comes with the program's end."""
        if not self.ends_with_program:
            self.stop_adopting()

    def stop_adopting(self) -> None:
        """Adopt no more orphans."""
        if self._subreaper is not None:
            self._subreaper.end()
            self._subreaper = None

    @property
    def sweeps_all(self) -> bool:
        """Whether a stop by a signal ends them all, also where it ends in order."""
        return self._policy != "leave"

    @property
    def is_ending(self) -> bool:
        """Whether they are being ended now."""
        return self.children is not None and self.children.is_ending

    def scan(self) -> None:
        """Find those that there are: they stay known if their parents end from here on."""
        if self.children is not None:
            self.children.scan()

    def end_in_background(self, seconds: float) -> None:
        """End them, in a thread of its own; only the first call does anything.

        Args:
            seconds: How long it may take.
        """
        if self.children is not None:
            self.children.end_in_background(seconds, self._ended)

    def _ended(self, killed: Sequence[ProcessInfo]) -> None:
        if killed:
            self._on_killed(killed)
        self._on_over()

    def sweep(self, deadline: float | None) -> None:
        """End them, and report the daemons that are left. Blocks, if there are any.

        Args:
            deadline: By when, by `time.monotonic()`; None: the ladder has no end.
        """
        if self.children is None or not self.sweeps_all or not self.children.may_exist():
            return
        left = math.inf if deadline is None else max(0.0, deadline - time.monotonic())
        logging.getLogger("asyncio").addFilter(_is_news)
        try:
            killed = self.children.finish_ending(left)
        except KeyboardInterrupt:  # of the handler that was found: one more Ctrl-C asks for haste
            killed = self.children.kill()
        if killed:
            self._on_killed(killed)
        daemons = self.children.daemons()
        if daemons:
            names = [str(daemon) for daemon in daemons]
            line = f"supervisor: daemons left running: {', '.join(names)}"
            reporter.event(log_events.DAEMONS_LEFT, line=line, daemons=names)
        if killed or daemons:
            reporter.flush(_REPORT_SECONDS)

    def sweep_once_more(self, deadline: float | None) -> None:
        """Sweep where only threads could still start processes, and let none of them do so.

        Args:
            deadline: As for `sweep`.
        """
        if self.children is not None and self.sweeps_all and self.children.may_exist():
            _block_starts()
            self.sweep(deadline)

    def sweep_at_exit(self, deadline: float | None) -> None:
        """Sweep after everything else that happens at the interpreter's exit.

        What a host starts after `run` is left alone.
        """
        if self.children is None or not self.sweeps_all or not self.children.may_exist():
            self.stop_adopting()
            return
        self.children.scan()
        self.children.descendants.settle()

        def sweep_after_others() -> None:
            atexit.unregister(sweep_after_others)
            try:
                _run_earlier_handlers(is_last=_count_handlers() == count)
            finally:
                self.sweep_once_more(deadline)
                self.stop_adopting()

        atexit.register(sweep_after_others)
        count = _count_handlers()

    def kill(self) -> list[ProcessInfo]:
        """Kill all without waiting: the process is being ended by force."""
        return self.children.kill() if self.children is not None else []

    def final_sweep(self, status: int, *, can_exec: bool) -> None:
        """Kill all in the process's last moment, and end it with this status.

        A thread may start another one until the process is gone. So if there were any, the process
        becomes a program that has no threads, kills all that it finds, and ends with the status.
        Where it cannot, those that are there now are killed, and this returns.

        Args:
            status: The exit status, or minus the signal to die by.
            can_exec: Whether a fresh interpreter can be started here.
        """
        children = self.children
        if children is None or not (children.has_found_any or has_children()):
            return
        if can_exec:
            with contextlib.suppress(OSError):
                final_sweep.become(status, children.descendants, children.helpers())
        children.kill()


def _block_starts() -> None:
    """Have threads that are about to start a process wait for the interpreter's end instead.

    Only daemon threads are left by then. They would replace the processes that the sweep ends,
    unseen, until the interpreter stops them.
    """
    ours = threading.get_ident()

    def block(event: str, _: object) -> None:  # pragma: no cover - Python traces no audit hook
        if event in _STARTS and threading.get_ident() != ours:
            threading.Event().wait()

    sys.addaudithook(block)


_STARTS: Final = frozenset(
    {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"}
)
"""The events that Python audits before a process is started."""


def _is_news(record: logging.LogRecord) -> bool:
    """Return false for asyncio's warning that a child of a closed loop has ended."""
    return "that handles pid" not in str(record.msg)


def _count_handlers() -> int:
    return int(getattr(atexit, "_ncallbacks")())  # noqa: B009 - beside the one below


def _run_earlier_handlers(*, is_last: bool) -> None:
    """Run the `atexit` handlers that would come after this one, and forget them.

    Args:
        is_last: Whether none was registered after this one; those would be run again.
    """
    if not is_last or sys.version_info >= (3, 14):  # which goes by a copy, and would run all again
        # This one can be run twice, and is the one that must come before.
        end = getattr(sys.modules.get("multiprocessing.util"), "_exit_function", None)
        if end is not None:
            end()
    else:
        getattr(atexit, "_run_exitfuncs")()  # noqa: B009 - as `exit` does
