"""Asynchronous methods of the user's, called by plain code that cannot await them.

The repair of a team is plain code. It calls a few methods that are coroutine functions in AutoGen,
and that never wait in AutoGen's own classes: those of model contexts, termination conditions and
managers. A user's may wait: for a database, for a lock. Then the repair is done in a thread, which
waits while the loop goes on.

Not chosen: a repair of coroutines (each of its steps would become a step of the loop, at which a
second stop can come); to try it in the loop first, and in a thread where it waits (what comes
before the wait would be done twice).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _Local(threading.local):
    wait: Callable[[Coroutine[Any, Any, Any]], Any] | None = None


_local = _Local()


def drive_sync(coro: Coroutine[Any, Any, T]) -> T:
    """Drive a coroutine to its end, and return its result.

    In the loop's own thread it must not wait.

    Raises:
        RuntimeError: It waits; it was closed. Or it has raised what is no `Exception`, and would
            end more than itself.
    """
    try:
        return _result(coro)
    except (Exception, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise RuntimeError(f"{coro!r} has raised {error!r}") from error


def _result(coro: Coroutine[Any, Any, T]) -> T:
    if _local.wait is not None:
        return cast(T, _local.wait(coro))
    try:
        coro.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    coro.close()
    raise RuntimeError(f"{coro!r} waits")


class RepairThread:
    """A thread that runs plain code, in which `drive_sync` waits.

    Args:
        loop: Where coroutines run.
        work: The code; raises nothing.
        on_end: Called in the loop once it has ended.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Callable[[], None], on_end: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._work = work
        self._on_end = on_end
        self._is_cancelled = False
        self._task: asyncio.Task[Any] | None = None
        thread = threading.Thread(target=self._run, name="supervisor-repair", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads: here a method that waits fails, and that is logged
            work()
            loop.call_soon(on_end)

    def cancel(self) -> None:
        """Cancel what the thread waits for, now and later; in the loop."""
        self._is_cancelled = True
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        _local.wait = self._wait
        try:
            self._work()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self._on_end)

    def _wait(self, coro: Coroutine[Any, Any, T]) -> T:
        # Not `run_coroutine_threadsafe`: cancelled, it does not wait until the task has ended.
        future: Future[T] = Future()
        self._loop.call_soon_threadsafe(self._start, coro, future)
        return future.result()

    def _start(self, coro: Coroutine[Any, Any, T], future: Future[T]) -> None:
        task = self._task = self._loop.create_task(coro)
        task.add_done_callback(lambda _: _pass_on(task, future))
        if self._is_cancelled:
            task.cancel()


async def repair_in_thread(work: Callable[[], None]) -> None:
    """Run plain code in such a thread, and wait for its end.

    Raises:
        BaseException: What it raises.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised to who waits
            errors.append(error)

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    thread = RepairThread(loop, run, end)
    try:
        await ended
    except asyncio.CancelledError:
        thread.cancel()
        raise
    if errors:
        raise errors[0]


def _pass_on(task: asyncio.Task[T], future: Future[T]) -> None:
    error = RuntimeError("cancelled") if task.cancelled() else task.exception()
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())
