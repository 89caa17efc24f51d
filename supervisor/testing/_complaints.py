"""Collects complaints of the loop and of the logs while a test runs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
from types import TracebackType
from typing import Any, Final

_LOGGERS: Final = ("asyncio", "autogen_core", "autogen_agentchat", "supervisor")


class Complaints:
    """Fails a block in which there was a complaint.

    Complaints are calls of the loop's exception handler ("never retrieved"), log records of level
    ERROR, and exceptions that could not be raised (in a destructor). An exception of the block
    itself takes precedence.

    Raises:
        AssertionError: There were complaints; the message quotes them all.
    """

    def __init__(self) -> None:
        self.heard: list[str] = []
        """The complaints so far."""
        self._unwind = contextlib.ExitStack()

    def __enter__(self) -> Complaints:
        loop = asyncio.get_running_loop()
        found_handler, found_hook = loop.get_exception_handler(), sys.unraisablehook
        loop.set_exception_handler(self._hear_loop)
        self._unwind.callback(loop.set_exception_handler, found_handler)
        sys.unraisablehook = self._hear_unraisable
        self._unwind.callback(setattr, sys, "unraisablehook", found_hook)
        ear = _Ear(self.heard)
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(ear)
            self._unwind.callback(logging.getLogger(name).removeHandler, ear)
        return self

    def __exit__(
        self,
        typ: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        gc.collect(1)  # a task in a reference cycle complains when it is collected
        self._unwind.close()
        if error is None:
            assert not self.heard, "complaints: " + "; ".join(self.heard)

    def _hear_loop(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.heard.append(f"{context.get('message')} ({context.get('exception')!r})")

    def _hear_unraisable(self, unraisable: Any) -> None:
        self.heard.append(f"{unraisable.exc_value!r} in {unraisable.object!r}")


class _Ear(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._heard.append(f"{record.name}: {record.getMessage()} ({error!r})")
