"""The loop that a block belongs to, and the thread that it runs in."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable


class HomeLoop:
    """The loop and the thread in which a block was entered; None before that."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: int | None = None

    def enter(self) -> asyncio.AbstractEventLoop:
        """Take the running loop and the current thread."""
        self.loop, self.thread = asyncio.get_running_loop(), threading.get_ident()
        return self.loop

    @property
    def is_current(self) -> bool:
        """Whether the caller is in this loop."""
        if threading.get_ident() != self.thread:
            return False
        return asyncio.get_running_loop() is self.loop

    @property
    def is_in_main_thread(self) -> bool:
        """Whether this is, or can still become, a loop of the main thread."""
        return self.thread is None or self.thread == threading.main_thread().ident

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Have the loop call a function; from any thread, and from a signal handler.

        Where it is closed, nothing happens: nobody waits there any more.
        """
        assert self.loop is not None, "the block was entered"
        with contextlib.suppress(RuntimeError):  # closed
            self.loop.call_soon_threadsafe(callback)
