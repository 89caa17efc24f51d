"""What a stop does with the processes that the program has started: note them, end them, name them.

They are noted at each step of a stop, before anything is cancelled: who is cancelled ends its
child, and the child's own would be found no more. They are ended last of all, behind the body and
the interpreter's own end: there multiprocessing, ray and browser drivers end theirs in order, and a
pool whose workers are told to end before that hangs. At ABANDON they are ended at the latest.

Not chosen: to end them as their run settles. A process belongs to the program and not to a run;
two runs that work at once cannot be told apart by what they start.
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
from supervisor._reports.log import reporter

_REPORT_SECONDS: Final = 0.2  # for what is told of them at the very end


class ChildCleanup:
    """The processes that one supervisor's program has started, from its block on.

    Args:
        children: Which of them a stop by a signal ends.
        on_killed: Told of those that did not end when they were told to; in any thread.
        on_over: Called when those that `end_in_background` ends have ended; in any thread.
    """

    def __init__(
        self,
        children: Children,
        on_killed: Callable[[Sequence[ProcessInfo]], object],
        on_over: Callable[[], object],
    ) -> None:
        self._children = children
        self._on_killed = on_killed
        self._on_over = on_over
        self._adoption: Subreaper | None = None
        self.children: ChildProcesses | None = None
        """None before `open`, and where the process is not the supervisor's to end."""
        self.ends_with_program = False
        """Whether the end of the program ends them, and not that of the block."""

    def open(self) -> None:
        """Count those that are started from here on."""
        takes_daemons = self._children == "end"
        self.children = ChildProcesses(is_program=self.sweeps_all, takes_daemons=takes_daemons)
        if takes_daemons:
            self._adoption = Subreaper(self.children)
            self._adoption.begin()

    def close(self) -> None:
        """The block is left."""
        if not self.ends_with_program:
            self.stop_adopting()

    def stop_adopting(self) -> None:
        """Adopt no more orphans."""
        if self._adoption is not None:
            self._adoption.end()
            self._adoption = None

    @property
    def sweeps_all(self) -> bool:
        """Whether a stop by a signal ends them all, also where it comes to its end in order."""
        return self._children != "leave"

    @property
    def is_ending(self) -> bool:
        """Whether they are being ended now."""
        return self.children is not None and self.children.is_ending

    def scan(self) -> None:
        """Remember who there is; whose parent ends from here on is found all the same."""
        if self.children is not None:
            self.children.scan()

    def end_in_background(self, seconds: float) -> None:
        """End them in a thread of its own; only the first call does anything.

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
        """End them, and name the daemons that are left; blocks. Where there are none it returns.

        Args:
            deadline: By when, by `time.monotonic()`; None: the ladder has no end.
        """
        if self.children is None or not self.sweeps_all or not self.children.may_exist():
            return
        left = math.inf if deadline is None else max(0.0, deadline - time.monotonic())
        logging.getLogger("asyncio").addFilter(_is_news)
        try:
            killed = self.children.finish_ending(left)
        except KeyboardInterrupt:  # the handler that was found: one more Ctrl-C asks for haste
            killed = self.children.kill()
        if killed:
            self._on_killed(killed)
        daemons = self.children.daemons()
        if daemons:
            names = [str(daemon) for daemon in daemons]
            line = f"supervisor: daemons left running: {', '.join(names)}"
            reporter.event("daemons left running", line=line, daemons=names)
        if killed or daemons:
            reporter.flush(_REPORT_SECONDS)

    def sweep_once_more(self, deadline: float | None) -> None:
        """Sweep where only threads could start more of them; what they would start is not.

        Args:
            deadline: As for `sweep`.
        """
        if self.children is not None and self.sweeps_all and self.children.may_exist():
            _hold_starts()
            self.sweep(deadline)

    def sweep_at_exit(self, deadline: float | None) -> None:
        """Sweep behind what else is to be done at the interpreter's exit.

        What a host goes on to start behind `run` is left alone.
        """
        if self.children is None or not self.sweeps_all or not self.children.may_exist():
            self.stop_adopting()
            return
        self.children.scan()
        self.children.descendants.settle()

        def sweep_once_more() -> None:
            atexit.unregister(sweep_once_more)
            try:
                _run_earlier_handlers(is_last=_count_handlers() == count)
            finally:
                self.sweep_once_more(deadline)
                self.stop_adopting()

        atexit.register(sweep_once_more)
        count = _count_handlers()

    def kill(self) -> list[ProcessInfo]:
        """Kill all, and wait for none: the process is being ended by force."""
        return self.children.kill() if self.children is not None else []

    def final_sweep(self, status: int, *, can_exec: bool) -> None:
        """Kill who is there in the process's last moment, and end it with this status.

        A thread may start another one until the process is gone; so where there were any, it
        becomes a program that has no threads, looks, and ends as this one was to end. Where it
        cannot (it returns then), those that are there now are killed.

        Args:
            status: The exit status, or minus the signal to die by.
            can_exec: Whether a fresh interpreter can be had here.
        """
        children = self.children
        if children is None or not (children.has_found_any or has_children()):
            return
        if can_exec:
            with contextlib.suppress(OSError):
                final_sweep.become(status, children.descendants, children.helpers())
        children.kill()


def _hold_starts() -> None:
    """Have a thread that is about to start a process wait instead, for the interpreter's end.

    Only daemon threads are left by then. Whom the sweep ends they would replace, unseen, until the
    interpreter stops them.
    """
    ours = threading.get_ident()

    def hold(event: str, _: object) -> None:
        if event in _STARTS and threading.get_ident() != ours:
            threading.Event().wait()

    sys.addaudithook(hold)


_STARTS: Final = frozenset(
    {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"}
)
"""What Python audits before a process is started."""


def _is_news(record: logging.LogRecord) -> bool:
    """Whether it is not asyncio's word that a child has ended whose loop is closed."""
    return "that handles pid" not in str(record.msg)


def _count_handlers() -> int:
    return int(getattr(atexit, "_ncallbacks")())  # noqa: B009 - beside the one below


def _run_earlier_handlers(*, is_last: bool) -> None:
    """Run the `atexit` handlers that would come after this one, and forget them.

    Args:
        is_last: Whether none was registered after this one; those would be run again.
    """
    if is_last and sys.version_info < (3, 14):  # which goes by a copy, and would run all again
        getattr(atexit, "_run_exitfuncs")()  # noqa: B009 - as `exits` does
        return
    # This one can be run twice, and is the one that must come before.
    end = getattr(sys.modules.get("multiprocessing.util"), "_exit_function", None)
    if end is not None:
        end()
