"""Blocked signals: those that the process's starter has blocked, or the program.

A mask is inherited through `exec`. A launcher that blocks signals around the start of a program,
and does not unblock them, leaves it deaf: the kernel keeps what is sent, no handler runs, and
nothing is said. A program may also block signals on purpose, in all of its threads, to have one of
them wait for them (`sigwait`). Only `run` can tell the two cases apart: there no thread of the
program's has started yet that could wait.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Collection, Generator
from contextlib import contextmanager


def blocked(signals: Collection[int]) -> frozenset[int]:
    """Return which of these are blocked in this thread."""
    if sys.platform == "win32":
        return frozenset()
    return frozenset(signals) & signal.pthread_sigmask(signal.SIG_BLOCK, ())


@contextmanager
def unblocked(signals: Collection[int]) -> Generator[None]:
    """Unblock these in this thread, and block again in the end what was blocked before.

    One that was sent meanwhile arrives at once.
    """
    found = blocked(signals)
    if sys.platform == "win32" or not found:
        yield
        return
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, found)  # what arrives may raise
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, found)
