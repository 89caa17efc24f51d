"""Ctrl-Z and `fg`: the terminal is given back before the process is suspended, and set again after.

Python's handler runs between two bytecodes of the main thread, so Ctrl-Z works while the loop is
blocked, too. The kernel has told the children of the terminal's foreground already.

Not chosen: prompt_toolkit's `suspend_to_background`, which waits for the loop.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

assert sys.platform != "win32"


@contextmanager
def suspendable(leave: Callable[[], None], come_back: Callable[[], None]) -> Generator[None]:
    """Call functions around each suspension of the process; in the main thread.

    Both are called in a signal handler. If SIGTSTP is ignored or handled already, that stays.

    Args:
        leave: Gives the terminal back.
        come_back: Sets it again; called also when the process was suspended by force (SIGSTOP), and
            perhaps twice.
    """

    def suspend(number: int, _frame: FrameType | None) -> None:
        leave()
        signal.signal(number, signal.SIG_DFL)
        # By thread, so that it takes effect here and not a moment later.
        signal.pthread_kill(threading.get_ident(), number)
        signal.signal(number, suspend)
        come_back()  # also where it was not suspended: nobody could resume an orphaned group

    def go_on(_number: int, _frame: FrameType | None) -> None:
        come_back()

    ours = {
        number: handler
        for number, handler in ((signal.SIGTSTP, suspend), (signal.SIGCONT, go_on))
        if signal.getsignal(number) is signal.SIG_DFL
    }
    for number, handler in ours.items():
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handler in ours.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, signal.SIG_DFL)
