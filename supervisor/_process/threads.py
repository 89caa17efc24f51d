"""The thread pool: asyncio's default executor, which holds neither the loop's end nor the exit.

asyncio waits for its pool when a loop ends, and the interpreter waits for it again when it exits. A
call whose awaiting task was cancelled runs on in its thread (nothing can stop a thread), so one
`input()` keeps a stopped process for as long as nobody types. Such a call is an *orphan* here:
nobody will read its result, so nobody waits for it. This is how the pool recognises one: when the
awaiting task is cancelled, asyncio cancels the pool's future; a future that is running refuses. All
other calls are waited for as the stock pool waits. At its shutdown the pool ends orphans that read
stdin (see `blocked_stdin`).

The exit would abort with status 134 (`_enter_buffered_busy`) if the interpreter closed `sys.stdin`
while a thread holds its lock. So each thread keeps a reference to `sys.stdin` while it is in a
call: what is still referred to is not closed. This costs nothing and works everywhere.

Not chosen: a stock pool whose threads are taken out of `concurrent.futures`' private table (it
differs in each release); `os._exit` (it skips `atexit` and the flush); one thread for each call (no
bound). An orphan frees its place in the pool: otherwise, with orphans in all places, no further
call would ever begin, and the shutdown would wait for it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import enum
import functools
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Any, ParamSpec, TypeVar

from supervisor._core.tool_call import CURRENT
from supervisor._process import blocked_stdin
from supervisor._reports.telemetry import metrics

P = ParamSpec("P")
T = TypeVar("T")


class _CallState(enum.Enum):
    WANTED = "somebody waits for the result"
    ORPHAN = "the awaiting task was cancelled"
    UNBLOCKED = "an orphan whose read of stdin was ended, if it was in one"


class _Call(Future[Any]):
    """A future that tells its pool when it refuses to be cancelled."""

    def __init__(self, work: Callable[[], Any], on_orphaned: Callable[[_Call], None]) -> None:
        super().__init__()
        self.work = work
        self.state = _CallState.WANTED
        self.began_at = 0.0
        self._on_orphaned = on_orphaned

    def cancel(self) -> bool:
        if super().cancel():
            return True
        self._on_orphaned(self)
        return False


class DaemonThreadPool(ThreadPoolExecutor):
    """A thread pool that waits for every call at its end, except for orphans.

    Set it with `loop.set_default_executor(DaemonThreadPool())`. It is a `ThreadPoolExecutor`
    because asyncio accepts nothing else; its threads and its queue are its own, and the threads are
    daemons.

    Args:
        max_workers: The most threads, orphans not counted. None means what the stock pool means.
        thread_name_prefix: What the threads' names begin with.
    """

    def __init__(
        self, max_workers: int | None = None, thread_name_prefix: str = "supervisor-executor"
    ) -> None:
        super().__init__(max_workers, thread_name_prefix)  # checks the values
        self._size = max_workers or min(32, (os.cpu_count() or 1) + 4)
        self._name = thread_name_prefix
        self._lock = threading.RLock()
        self._arrived = threading.Condition(self._lock)
        self._finished = threading.Condition(self._lock)
        self._queue: deque[_Call] = deque()
        self._running: dict[_Call, threading.Thread] = {}
        self._workers: set[threading.Thread] = set()
        self._started = 0
        self._idle = 0
        self._is_shut = False
        self._pid = os.getpid()
        self._terminal = blocked_stdin.terminal_settings()
        # The stock pool's calls are finished before the interpreter exits; so are these.
        atexit.register(self.shutdown)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn(*args, **kwargs)` in a thread of the pool.

        Raises:
            RuntimeError: The pool was shut down (the stock pool's words).
        """
        call = _Call(_bound(fn, args, kwargs), self._orphan)
        with self._lock:
            if self._is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._start_worker(len(self._queue) + 1)
            self._queue.append(call)
            self._arrived.notify()
        return call

    def shutdown(  # the stock signature
        self,
        wait: bool = True,  # noqa: FBT001, FBT002
        *,
        cancel_futures: bool = False,
    ) -> None:
        """Take no more calls, wait for the wanted ones, and unblock orphans that read stdin.

        A call that becomes an orphan meanwhile is no longer waited for. In a forked child it does
        nothing: the threads have stayed with the parent.
        """
        if self._pid != os.getpid():
            return
        with self._lock:
            self._is_shut = True
            dropped = list(self._queue) if cancel_futures else []
            is_idle = self._is_idle()
            self._arrived.notify_all()
        for call in dropped:
            call.cancel()
        if wait:
            self._wait()
        if wait or is_idle:  # else, as a loop is closed by hand, its last call does it
            atexit.unregister(self.shutdown)
        self.unblock_stdin()

    def orphans(self) -> list[threading.Thread]:
        """Return the threads that run a call nobody waits for."""
        with self._lock:
            running = self._running.items()
            return [thread for call, thread in running if call.state is not _CallState.WANTED]

    def calls(self) -> dict[int, tuple[str, float]]:
        """Return what runs in each thread that is at work, and for how many seconds."""
        now = time.monotonic()
        with self._lock:
            return {
                thread.ident: (_function(call.work), now - call.began_at)
                for call, thread in self._running.items()
                if thread.ident is not None
            }

    def unblock_stdin(self, seconds: float = 0.1) -> None:
        """End the orphans that read from stdin, as by end-of-file; each is tried once.

        From any thread but the loop's, which it would hold up. For its duration fd 0 is /dev/null:
        whoever begins to read stdin then, or starts a child, gets end-of-file. Where it cannot be
        done (Windows, no free fd) it does nothing.

        Args:
            seconds: How long to wait for them at most; those in `input()` take one millisecond.
        """
        with self._lock:
            blocked = [call for call in self._running if call.state is _CallState.ORPHAN]
        if not blocked or sys.platform == "win32":
            return
        with contextlib.suppress(OSError), blocked_stdin.end_of_file(self._terminal):
            self._interrupt(blocked)
            with self._lock:
                self._finished.wait_for(lambda: self._running.keys().isdisjoint(blocked), seconds)

    def _interrupt(self, calls: list[_Call]) -> None:
        # Under the lock a running call's thread cannot end: a signal to one that has ended is
        # undefined behaviour.
        with self._lock:
            for call in calls:
                if (thread := self._running.get(call)) and thread.ident is not None:
                    call.state = _CallState.UNBLOCKED
                    blocked_stdin.interrupt(thread.ident)

    def _wait(self) -> None:
        with self._lock:
            self._finished.wait_for(lambda: not self._queue and not self._wanted())
            ending = self._workers - set(self._running.values())
        for thread in ending:
            thread.join()

    def _is_idle(self) -> bool:
        return not self._queue and not self._running

    def _wanted(self) -> list[_Call]:
        return [call for call in self._running if call.state is _CallState.WANTED]

    def _start_worker(self, queued: int) -> None:
        orphans = len(self._running) - len(self._wanted())
        if queued <= self._idle or len(self._workers) - orphans >= self._size:
            return
        name = f"{self._name}_{self._started}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        thread.start()
        self._started += 1
        self._workers.add(thread)

    def _work(self) -> None:
        while (call := self._take()) is not None:
            _run(call)
            with self._lock:
                del self._running[call]
                self._finished.notify_all()
                is_over = self._is_shut and self._is_idle()
            if is_over:
                atexit.unregister(self.shutdown)
            # What the call refers to must not live on until the next one comes.
            del call

    def _take(self) -> _Call | None:
        thread = threading.current_thread()
        with self._lock:
            # One too many: an orphan's thread, back after it was replaced.
            if len(self._workers) - len(self.orphans()) <= self._size:
                self._idle += 1
                self._arrived.wait_for(lambda: self._queue or self._is_shut)
                self._idle -= 1
                if self._queue:
                    call = self._queue.popleft()
                    call.began_at = time.monotonic()
                    self._running[call] = thread
                    return call
            self._workers.discard(thread)
            self._finished.notify_all()
            return None

    def _orphan(self, call: _Call) -> None:
        with self._lock:
            if call not in self._running or call.state is not _CallState.WANTED:
                return
            call.state = _CallState.ORPHAN
            self._finished.notify_all()
            with contextlib.suppress(RuntimeError):  # no more threads: the queue waits
                self._start_worker(len(self._queue))


def install(loop: asyncio.AbstractEventLoop) -> None:
    """Make a `DaemonThreadPool` the loop's default executor, for the loop's life.

    One that the user has set is left alone, as far as the loop shows it: uvloop does not.
    """
    if loop in _installed:
        return
    found = getattr(loop, "_default_executor", None)  # asyncio has no public way to ask
    pool: DaemonThreadPool | None = None
    if found is None or getattr(found, "_thread_name_prefix", "") == "asyncio":
        pool = DaemonThreadPool()
        loop.set_default_executor(pool)
    _installed[loop] = pool


def calls(loop: asyncio.AbstractEventLoop | None) -> dict[int, tuple[str, float]]:
    """Return what the threads of a loop's pool run, by thread; nothing where it has no pool."""
    pool = _installed.get(loop) if loop is not None else None
    return pool.calls() if pool is not None else {}


def orphan_threads() -> int:
    """Return how many threads of all pools run a call that nobody waits for; in any thread."""
    pools = [_installed.get(loop) for held in _installed.keyrefs() if (loop := held()) is not None]
    return sum(len(pool.orphans()) for pool in pools if pool is not None)


metrics.sources["supervisor.orphan_threads"] = orphan_threads

_installed: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, DaemonThreadPool | None] = (
    weakref.WeakKeyDictionary()
)


def _bound(fn: Callable[..., Any], args: Any, kwargs: Any) -> Callable[[], Any]:
    """Return a call; within a tool call of a run that is kept it knows that one.

    `run_in_executor`, by which AutoGen calls tools that are no coroutines, leaves the context out.
    """
    if CURRENT.get() is None:
        return functools.partial(fn, *args, **kwargs)
    return functools.partial(copy_context().run, fn, *args, **kwargs)


def _function(work: Any) -> str:
    """Return the name of the function under `to_thread`, `run_in_executor` and `partial`."""
    arguments: tuple[Any, ...] = ()
    while isinstance(work, functools.partial):
        arguments = (*work.args, *arguments)
        work = work.func
        if isinstance(getattr(work, "__self__", None), Context) and arguments:  # Context.run
            work, *rest = arguments
            arguments = tuple(rest)
    return str(getattr(work, "__qualname__", type(work).__name__))


def _run(call: _Call) -> None:
    if not call.set_running_or_notify_cancel():
        return
    _stdin = sys.stdin  # so that the exit cannot close it under a read (see the module)
    try:
        result = call.work()
    except BaseException as error:  # noqa: BLE001 - the future carries it
        call.set_exception(error)
        # The traceback refers to this frame, and the frame to the call that holds the traceback.
        del call
    else:
        call.set_result(result)
