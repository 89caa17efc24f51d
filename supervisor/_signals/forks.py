"""What is done around a fork: signals are held back, and the child undoes what it must."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Collection, Generator


class Forks:
    """The forks of this process."""

    def __init__(self) -> None:
        self._masks: dict[int, Collection[int]] = {}  # of the threads that are forking
        self._undone: list[Callable[[], None]] = []

    @contextlib.contextmanager
    def undone_in_children(self, undo: Callable[[], None]) -> Generator[None]:
        """Have a function called in each child that is forked meanwhile."""
        self._undone.append(undo)
        try:
            yield
        finally:
            self._undone.remove(undo)

    def block(self, signals: Collection[int]) -> None:
        """Hold signals back in this thread."""
        if sys.platform != "win32":
            held = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
            self._masks[threading.get_ident()] = held

    def unblock(self) -> None:
        """Let through again what this thread holds back, if anything."""
        held = self._masks.pop(threading.get_ident(), None)
        if held is not None and sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def forget(self) -> None:
        """Forget the threads that a forked child has not."""
        self._masks.clear()

    def undo(self) -> None:
        """Call what is to be called in a forked child."""
        for undo in self._undone:
            undo()
