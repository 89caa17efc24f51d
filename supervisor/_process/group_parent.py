"""The parent of one command where there are no POSIX signals: `exec` on Windows.

The command is started in a process group of its own. So a Ctrl-C or a Ctrl-Break on its console
comes to us alone, and is passed on as the one request that Windows lets a process send to a group:
CTRL_BREAK_EVENT, which Python knows as SIGBREAK. What has not ended by the deadline is killed.

Untested on Windows. The tests run it with POSIX signals in the place of those.
"""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from types import FrameType
from typing import Final

_LOOK_SECONDS: Final = 0.1  # a handler runs between two waits: none interrupts one


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own.

    Raises:
        OSError: It cannot be started.
    """
    if sys.platform == "win32":
        return subprocess.Popen(command, creationflags=subprocess.CREATE_NEW_PROCESS_GROUP)  # noqa: S603
    return subprocess.Popen(command, process_group=0)  # noqa: S603


def look_after(
    child: subprocess.Popen[bytes], *, asked_by: Collection[int], sent: int, grace: float
) -> int:
    """Wait for a child; pass requests to stop on, and kill it at the deadline.

    Args:
        child: The child.
        asked_by: The signals that ask for a stop.
        sent: The signal that the child gets for each of them.
        grace: Seconds from the first of them to the kill; inf: no kill.

    Returns:
        Its exit status.
    """
    deadline = math.inf

    def pass_on(_number: int, _frame: FrameType | None) -> None:
        nonlocal deadline
        deadline = min(deadline, time.monotonic() + grace)
        if child.poll() is None:
            child.send_signal(sent)

    found = {number: signal.signal(number, pass_on) for number in asked_by}
    try:
        while True:
            try:
                return child.wait(timeout=_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                if time.monotonic() >= deadline:
                    child.kill()
    finally:
        for number, handler in found.items():
            signal.signal(number, handler)
