"""Room on the terminal for lines that go to stderr past the editor: what the supervisor reports.

A thread writes them, and the loop, which draws the editor, may be what they are about. So the
thread asks the loop to take the editor away for a moment, and waits only briefly.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Generator
from typing import Final

from prompt_toolkit.application import Application
from prompt_toolkit.application.run_in_terminal import in_terminal

from supervisor._reports.log import reporter

_FOR_LOOP: Final = 0.2  # seconds: a loop that takes longer is blocked
_FOR_WRITE: Final = 0.05  # seconds without the editor
_ERASE: Final = "\r\x1b[J"  # the line of the cursor, and what is below it


@contextlib.contextmanager
def room_for_reports(app: Application[None]) -> Generator[None]:
    """Take the editor away while a report is written.

    Args:
        app: The editor, which is running in the present loop.
    """
    found, reporter.step_aside = reporter.step_aside, _Room(app).make
    try:
        yield
    finally:
        reporter.step_aside = found


class _Room:
    """Makes room; in any thread.

    Args:
        app: The editor.
    """

    def __init__(self, app: Application[None]) -> None:
        self._app = app
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._tasks: set[asyncio.Task[None]] = set()

    def make(self) -> str:
        """Return what to write before the text."""
        if not self._app.is_running:
            return ""
        is_made, is_late = threading.Event(), threading.Event()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._start, is_made, is_late)
        if threading.get_ident() != self._thread and is_made.wait(_FOR_LOOP):
            return ""
        is_late.set()
        return _ERASE

    def _start(self, is_made: threading.Event, is_late: threading.Event) -> None:
        task = asyncio.ensure_future(self._take_away(is_made.set, is_late))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take_away(self, made: Callable[[], None], is_late: threading.Event) -> None:
        if is_late.is_set():  # the cursor is behind the text by now
            self._app.renderer.reset()
        async with in_terminal():
            made()
            await asyncio.sleep(_FOR_WRITE)
