"""What the tests of the wakeup fd and of the handlers share."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from supervisor._signals.wakeup import WakeupFd

_ROOT = Path(__file__).parents[3]


def slot() -> int:
    """Return the process's wakeup fd."""
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    return fd


def arrived(wakeup_fd: WakeupFd) -> list[int]:
    """Return the numbers that have arrived by now, wake-ups left out."""
    select.select([wakeup_fd.fileno()], [], [], 5)
    return numbers(wakeup_fd.read(is_main=True))


def numbers(signals: list[tuple[int, float]]) -> list[int]:
    """Return the signals without their times."""
    return [number for number, _ in signals]


def outcome(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a session of its own, and return what became of it."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        check=False,
        text=True,
        timeout=20,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        start_new_session=True,
    )
