"""Ends a thread's read of stdin, which nothing else can end.

A thread in `input()` whose task was cancelled eats the next line typed. So when its pool shuts
down, /dev/null is put on fd 0, and a signal interrupts the read. The read restarts, looks fd 0 up
again, and returns end-of-file. Then fd 0 is put back. This takes a millisecond, and 0.1 s where the
thread does something else. GNU readline, which ends its line on /dev/null, leaves the terminal
without echo; so the terminal's settings at the pool's start are put back.

Which signal, and whose handler: asyncio shuts the pool down in a helper thread, where
`signal.signal` is refused. A handler that the main thread had set earlier would stand there for the
loop's life, write to everybody's wakeup fd, and be missing in loops of other threads.
`faulthandler.register` sets a C handler from any thread and puts back what it found. So it is used
for that moment, with its report going to /dev/null. SIGURG is ignored by default and used by nobody
(the Go runtime chose it to interrupt its threads for the same reason), so one that comes too late
does no harm.

Why at the shutdown, and not when the task is cancelled: for that moment fd 0 is /dev/null for the
whole process, also for a child being started and for another thread that begins to read. At the
shutdown all wanted calls are over, and no other thread of the pool reads. A caller that goes on
with the loop and wants to read stdin again calls `DaemonThreadPool.unblock_stdin` itself.

Where it falls short: a thread that reads again after end-of-file stays, and eats a line; so does
every such thread on Windows. Neither holds the exit.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Generator
from typing import Any

if sys.platform != "win32":
    import termios

# fd 0 belongs to the process: two pools must not take it from each other.
_lock = threading.Lock()


def terminal_settings() -> list[Any] | None:
    """Return the settings of the terminal on stdin; None where there is none."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError, termios.error):
            return termios.tcgetattr(0)
    return None


@contextlib.contextmanager
def end_of_file(terminal: list[Any] | None) -> Generator[None]:
    """Put /dev/null on fd 0, and a handler for `interrupt` that does nothing else.

    Args:
        terminal: The settings that the terminal has afterwards, if readline is in use.

    Raises:
        OSError: There is no stdin, or no free fd.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_lock)
        saved = os.dup(0)
        stack.callback(os.close, saved)
        null = os.open(os.devnull, os.O_RDWR)
        stack.callback(os.close, null)
        if sys.platform != "win32":
            faulthandler.register(signal.SIGURG, file=null, all_threads=False)
            stack.callback(faulthandler.unregister, signal.SIGURG)
        stack.callback(_put_terminal_back, terminal)
        stack.callback(os.dup2, saved, 0, os.get_inheritable(0))
        os.dup2(null, 0)
        yield


def interrupt(thread: int) -> None:
    """Interrupt the system call that a living thread is in, within `end_of_file`."""
    if sys.platform != "win32":
        signal.pthread_kill(thread, signal.SIGURG)


def _put_terminal_back(terminal: list[Any] | None) -> None:
    if terminal is None or "readline" not in sys.modules:
        return
    if sys.platform != "win32":
        with contextlib.suppress(OSError, termios.error):
            # A background process that sets the terminal would be stopped by SIGTTOU.
            if os.tcgetpgrp(0) == os.getpgrp():
                termios.tcsetattr(0, termios.TCSANOW, terminal)
