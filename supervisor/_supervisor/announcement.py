"""The announcement of a stop inside the program: who waits for it, and who wants a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from supervisor._core.events import Rung, StopRequest
from supervisor._reports import log_events
from supervisor._reports.log import reporter
from supervisor._supervisor.home_loop import HomeLoop

Callback = Callable[[StopRequest], object]


class Announcement:
    """Tells the loop's code that a stop was requested; once, before the first step is carried out.

    Args:
        home: The loop in which it is made.
    """

    def __init__(self, home: HomeLoop) -> None:
        self._home = home
        self._waiters: set[asyncio.Future[None]] = set()
        self._callbacks: list[Callback] = []
        self._rung_callbacks: list[Callable[[Rung], object]] = []
        self.request: StopRequest | None = None
        """What was announced; None before that."""

    def make(self, request: StopRequest) -> None:
        """Wake those that wait, and call the callbacks."""
        self.request = request
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self._callbacks:
            self._call()

    async def wait(self) -> StopRequest:
        """Wait until it is made."""
        while self.request is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return self.request

    def add_callback(self, callback: Callback) -> None:
        """Have a function called when it is made; soon, where it was already."""
        self._callbacks.append(callback)
        if self.request is not None:
            self._home.call_soon(self._call)

    def add_rung_callback(self, callback: Callable[[Rung], object]) -> None:
        """Have a function called in the loop as each rung is entered."""
        self._rung_callbacks.append(callback)

    def enter(self, rung: Rung) -> None:
        """Tell that a rung is entered."""
        for callback in self._rung_callbacks:
            try:
                callback(rung)
            except Exception as error:  # noqa: BLE001 - as below
                reporter.event(log_events.RUNG_CALLBACK_FAILED, exc_info=error)

    def _call(self) -> None:
        while self._callbacks and self.request is not None:
            callback = self._callbacks.pop(0)
            try:
                callback(self.request)
            except Exception as error:  # noqa: BLE001 - an observer must not keep the stop
                reporter.event(log_events.STOP_CALLBACK_FAILED, exc_info=error)
