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
from supervisor._process.children import ChildProcesses, Killed
from supervisor._process.process_table import has_children
from supervisor._process.subreaper import Subreaper
from supervisor._reports.log import reporter

_REPORT_SECONDS: Final = 0.2  # for what is told of them at the very end


class ChildCleanup:
    """The processes that one supervisor's program has started, from its block on.

    Args:
        children: Which of them a stop by a signal ends.
        on_killed: Told of those that did not end when they were told to; in any thread.
        on_over: Called when those that `begin` ends have ended; in any thread.
    """

    def __init__(
        self,
        children: Children,
        on_killed: Callable[[Sequence[Killed]], object],
        on_over: Callable[[], object],
    ) -> None:
        self._children = children
        self._on_killed = on_killed
        self._on_over = on_over
        self._adoption: Subreaper | None = None
        self.processes: ChildProcesses | None = None
        """None before `open`, and where the process is not the supervisor's to end."""
        self.is_ended_later = False
        """Whether the end of the program ends them, and not that of the block."""

    def open(self) -> None:
        """Count those that are started from here on."""
        takes_daemons = self._children == "end"
        self.processes = ChildProcesses(is_program=self.is_swept, takes_daemons=takes_daemons)
        if takes_daemons:
            self._adoption = Subreaper(self.processes)
            self._adoption.begin()

    def close(self) -> None:
        """The block is left."""
        if not self.is_ended_later:
            self.end_adoption()

    def end_adoption(self) -> None:
        """Adopt no more orphans."""
        if self._adoption is not None:
            self._adoption.end()
            self._adoption = None

    @property
    def is_swept(self) -> bool:
        """Whether a stop by a signal ends them all, also where it comes to its end in order."""
        return self._children != "leave"

    @property
    def is_ending(self) -> bool:
        """Whether they are being ended now."""
        return self.processes is not None and self.processes.is_ending

    def note(self) -> None:
        """Remember who there is; whose parent ends from here on is found all the same."""
        if self.processes is not None:
            self.processes.look()

    def begin(self, seconds: float) -> None:
        """End them in a thread of its own; only the first call does anything.

        Args:
            seconds: How long it may take.
        """
        if self.processes is not None:
            self.processes.begin(seconds, self._ended)

    def _ended(self, killed: Sequence[Killed]) -> None:
        if killed:
            self._on_killed(killed)
        self._on_over()

    def sweep(self, deadline: float | None) -> None:
        """End them, and name the daemons that are left; blocks. Where there are none it returns.

        Args:
            deadline: By when, by `time.monotonic()`; None: the ladder has no end.
        """
        if self.processes is None or not self.is_swept or not self.processes.may_be():
            return
        left = math.inf if deadline is None else max(0.0, deadline - time.monotonic())
        logging.getLogger("asyncio").addFilter(_is_news)
        try:
            killed = self.processes.finish(left)
        except KeyboardInterrupt:  # the handler that was found: one more Ctrl-C asks for haste
            killed = self.processes.kill()
        if killed:
            self._on_killed(killed)
        daemons = self.processes.daemons()
        if daemons:
            names = [str(daemon) for daemon in daemons]
            line = f"supervisor: daemons left running: {', '.join(names)}"
            reporter.event("daemons left running", line=line, daemons=names)
        if killed or daemons:
            reporter.flush(_REPORT_SECONDS)

    def sweep_last(self, deadline: float | None) -> None:
        """Sweep where only threads could start more of them; what they would start is not.

        Args:
            deadline: As for `sweep`.
        """
        if self.processes is not None and self.is_swept and self.processes.may_be():
            _hold_starts()
            self.sweep(deadline)

    def sweep_at_exit(self, deadline: float | None) -> None:
        """Sweep behind what else is to be done at the interpreter's exit.

        What a host goes on to start behind `run` is left alone.
        """
        if self.processes is None or not self.is_swept or not self.processes.may_be():
            self.end_adoption()
            return
        self.processes.look()
        self.processes.kin.settle()

        def sweep_last() -> None:
            atexit.unregister(sweep_last)
            try:
                _run_earlier_handlers(is_last=_count_handlers() == count)
            finally:
                self.sweep_last(deadline)
                self.end_adoption()

        atexit.register(sweep_last)
        count = _count_handlers()

    def kill(self) -> list[Killed]:
        """Kill all, and wait for none: the process is being ended by force."""
        return self.processes.kill() if self.processes is not None else []

    def look_last(self, status: int, *, becomes: bool) -> None:
        """Kill who is there in the process's last moment, and end it with this status.

        A thread may start another one until the process is gone; so where there were any, it
        becomes a program that has no threads, looks, and ends as this one was to end. Where it
        cannot (it returns then), those that are there now are killed.

        Args:
            status: The exit status, or minus the signal to die by.
            becomes: Whether a fresh interpreter can be had here.
        """
        processes = self.processes
        if processes is None or not (processes.has_found or has_children()):
            return
        if becomes:
            with contextlib.suppress(OSError):
                final_sweep.become(status, processes.kin, processes.helpers())
        processes.kill()


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
