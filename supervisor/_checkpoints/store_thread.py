"""A thread that works on a store: what is to be done there may wait for a disk or a network.

There is one for what a supervisor writes, so that it is written in order, and one that renews its
leases. Each has a store object of its own. A daemon: nobody's end waits for a store that hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Final, Generic, TypeVar

from supervisor._checkpoints.store import CheckpointStore
from supervisor._core.errors import LeaseLost, StoreUnavailable

T = TypeVar("T")

_LOOK_SECONDS: Final = 0.002
_LEFT: Final = "the Supervisor's block was left before the run was awaited"


class Outcome(Generic[T]):
    """What has become of a job: a future of a loop, which no waiter can cancel.

    Args:
        loop: Where it is waited for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.future: asyncio.Future[T] = loop.create_future()
        self.future.add_done_callback(_retrieve)

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.shield(self.future).__await__()

    def set(self, value: T, error: BaseException | None = None) -> None:
        """Tell the loop; in any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._set, value, error)

    def fail(self, error: BaseException) -> None:
        """Tell the loop of an error; in any thread."""
        self.set(None, error)  # type: ignore[arg-type]

    def _set(self, value: T, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(value)
        else:
            self.future.set_exception(error)


def raisable(error: BaseException, url: str) -> BaseException:
    """Return what may be raised in a loop for what a store has raised, which may be a user's own.

    Some errors would end the loop or an iteration there, and a future takes no StopIteration.
    """
    if isinstance(error, LeaseLost):
        return error
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    found = StoreUnavailable(url, f"it has raised {type(error).__name__}")
    found.__cause__ = error
    return found


def _retrieve(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()  # whoever waits gets it; where nobody does, asyncio says nothing


def close(store: CheckpointStore) -> None:
    """Let go of a store at the end of its thread: an error there is nobody's."""
    with contextlib.suppress(Exception):
        store.close()


async def gone(thread: threading.Thread | None) -> None:
    """Wait until a thread is gone that was told to end: it, its connection and its files."""
    while thread is not None and thread.is_alive():  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(_LOOK_SECONDS)


class StoreThread:
    """Does jobs on one store, one after the other.

    It starts with the first job. A forked child has no such thread, and does none of them.

    Args:
        store: Used by this thread alone.
        name: The thread's name.
    """

    def __init__(self, store: CheckpointStore, name: str) -> None:
        self.store = store
        self._name = name
        self._pid = os.getpid()
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_set_up = False
        self._is_closed = False

    @property
    def is_ours(self) -> bool:
        """Whether this is the process that has made it, and no fork of that."""
        return os.getpid() == self._pid

    def post(self, job: Callable[[], None]) -> bool:
        """Have a job done, which raises nothing; return False where it will never be done."""
        if not self.is_ours:
            return False
        with self._changed:
            if self._is_closed:
                return False
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return True

    def call(self, job: Callable[[CheckpointStore], T]) -> Outcome[T]:
        """Have a job done whose result this loop waits for; in the loop."""
        outcome = Outcome[T](asyncio.get_running_loop())

        def do() -> None:
            try:
                value = job(self.ready())
            except BaseException as error:  # noqa: BLE001 - it is the waiter's
                outcome.fail(raisable(error, self.store.url))
            else:
                outcome.set(value)

        if not self.post(do):
            outcome.fail(StoreUnavailable(self.store.url, _LEFT))
        return outcome

    def ready(self) -> CheckpointStore:
        """Return the store, whose tables are there; in its thread.

        Raises:
            StoreUnavailable: It does not answer.
        """
        if not self._is_set_up:
            self.store.setup()
            self._is_set_up = True
        return self.store

    def pause(self, seconds: float, is_over: Callable[[], bool]) -> None:
        """Wait, unless the thread is told to end meanwhile, or `wake`d; in the thread."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or is_over(), seconds)

    def wake(self) -> None:
        """Have the thread look whether a pause is over."""
        with self._changed:
            self._changed.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether it was told to end."""
        return self._is_closed

    def close(self) -> None:
        """Have the thread do what it was given, let go of the store, and end."""
        if self.is_ours:
            with self._changed:
                self._is_closed = True
                self._changed.notify_all()

    async def aclose(self) -> None:
        """Do the same, and wait for it."""
        self.close()
        if self.is_ours:
            await gone(self._thread)

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None:
                job()
        finally:
            close(self.store)

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._is_closed)
            return self._jobs.popleft() if self._jobs else None
