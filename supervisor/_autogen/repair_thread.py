"""Methods of the user's that wait, called where nothing can be awaited.

The conclusion of a run is one piece of plain code. It calls a few methods that AutoGen has made
coroutines and that never wait in AutoGen's own classes: those of model contexts, termination
conditions, managers. A user's may: for a database, a lock. Such a run's conclusion is drawn in a
thread, which waits while the loop goes on.

Not chosen: a conclusion of coroutines (every step of it would become a step of the loop, at which
a second stop can come), and to try it at once and again where it waits (what comes before the wait
would be done twice).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _Hand(threading.local):
    call: Callable[[Coroutine[Any, Any, Any]], Any] | None = None


_hand = _Hand()


def drive_sync(coro: Coroutine[Any, Any, T]) -> T:
    """The outcome of a coroutine; in the loop's own thread it must not wait.

    Raises:
        RuntimeError: It waits; it was closed. Or it has raised what is no `Exception`, and would
            end more than itself.
    """
    try:
        return _outcome(coro)
    except (Exception, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise RuntimeError(f"{coro!r} has raised {error!r}") from error


def _outcome(coro: Coroutine[Any, Any, T]) -> T:
    if _hand.call is not None:
        return cast(T, _hand.call(coro))
    try:
        coro.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    coro.close()
    raise RuntimeError(f"{coro!r} waits")


class RepairThread:
    """Plain code in a thread, in which `drive_sync` waits.

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
        thread = threading.Thread(target=self._run, name="supervisor-conclusion", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads: here what waits fails, and that is logged
            work()
            loop.call_soon(on_end)

    def cancel(self) -> None:
        """Cancel what is being waited for, and whatever would be after that; in the loop."""
        self._is_cancelled = True
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        _hand.call = self._wait
        try:
            self._work()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self._on_end)

    def _wait(self, coro: Coroutine[Any, Any, T]) -> T:
        # Not `run_coroutine_threadsafe`: cancelled, it does not wait until the task has ended.
        outcome: Future[T] = Future()
        self._loop.call_soon_threadsafe(self._start, coro, outcome)
        return outcome.result()

    def _start(self, coro: Coroutine[Any, Any, T], outcome: Future[T]) -> None:
        task = self._task = self._loop.create_task(coro)
        task.add_done_callback(lambda _: _tell(task, outcome))
        if self._is_cancelled:
            task.cancel()


def _tell(task: asyncio.Task[T], outcome: Future[T]) -> None:
    error = RuntimeError("cancelled") if task.cancelled() else task.exception()
    if error is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())
