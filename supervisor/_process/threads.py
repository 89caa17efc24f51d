"""The executor: asyncio's default thread pool, which holds neither the loop's end nor the exit.

asyncio waits for its pool when a loop ends, and the interpreter waits for it again when it exits.
A call whose awaiting task was cancelled runs on in its thread (nothing can stop a thread), so one
`input()` keeps a stopped process for as long as nobody types. Such a call is an *orphan* here:
nobody will read its result, so nobody waits for it. How it is known: asyncio, when the awaiting
task is cancelled, asks the pool's future to cancel; a future that runs says no; that is the mark.
All other calls are waited for as the stock pool waits.

An orphan in `input()` does three more kinds of harm, and there is a measure against each.

- The exit aborts with status 134 (`_enter_buffered_busy`): the interpreter closes `sys.stdin`
  while the thread holds its lock. So each thread keeps a reference to `sys.stdin` while it is in
  a call: what is still referred to is not closed. This works everywhere and does nothing.
- It eats the next line typed. So when the pool shuts down, orphans are *roused*: /dev/null is put
  on fd 0, a signal ends their read, they read end-of-file and return; fd 0 is put back. It takes
  a millisecond, and 0.1 s where an orphan does something else.
- GNU readline leaves the terminal without echo, because it ends its line on /dev/null. So the
  terminal's settings at the pool's start are put back.

Which signal, and whose handler: asyncio shuts the pool down in a helper thread, where
`signal.signal` is refused. A handler set earlier, in the main thread, would stand there for the
loop's life, write to everybody's wakeup fd, and be missing in loops of other threads.
`faulthandler.register` sets a C handler from any thread and puts back what it found, so it is used
for the moment, with its report going to /dev/null. SIGURG is ignored by default and used by
nobody (the Go runtime chose it to interrupt its threads for the same reason): one that comes too
late is harmless. The restarted read looks fd 0 up again, so that it need not fail with EINTR.

Why at shutdown and not when a call becomes an orphan: for that moment fd 0 is /dev/null for the
whole process, also for a child being started and for another thread that begins to read. At
shutdown all wanted calls are over and nobody else of the pool reads. A caller that goes on with
the loop and wants to read stdin again calls `rouse` itself.

Not chosen: a stock pool with its threads taken out of `concurrent.futures`' private table
(different in each release); `os._exit` (skips `atexit` and the flush); one thread for each call
(no bound). An orphan frees its place in the pool: with all places taken by orphans no further call
would ever begin, and the shutdown would wait for it.

Where it falls short: an orphan that reads again after end-of-file stays, and eats a line; so does
every orphan on Windows. Neither holds the exit.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import enum
import faulthandler
import functools
import os
import signal
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context
from typing import Any, ParamSpec, TypeVar

if sys.platform != "win32":
    import termios

P = ParamSpec("P")
T = TypeVar("T")

# fd 0 belongs to the process: two pools must not take it from each other.
_stdin_lock = threading.Lock()


class _Tie(enum.Enum):
    WANTED = "somebody waits for the result"
    ORPHAN = "the awaiting task was cancelled"
    ROUSED = "an orphan that was roused"


class _Call(Future[Any]):
    """A future that tells its pool when it was asked in vain to cancel."""

    def __init__(self, work: Callable[[], Any], on_orphaned: Callable[[_Call], None]) -> None:
        super().__init__()
        self.work = work
        self.tie = _Tie.WANTED
        self.began_at = 0.0
        self._on_orphaned = on_orphaned

    def cancel(self) -> bool:
        if super().cancel():
            return True
        self._on_orphaned(self)
        return False


class Executor(ThreadPoolExecutor):
    """A thread pool that waits for every call at its end, except for those that nobody waits for.

    Set it with `loop.set_default_executor(Executor())`. It is a `ThreadPoolExecutor` because
    asyncio takes nothing else; its threads and its queue are its own, and daemon threads.

    Args:
        max_workers: Threads at most, orphans not counted. None means what the stock pool means.
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
        self._terminal = _terminal_settings()
        # The stock pool's calls are finished before the interpreter exits; so are these.
        atexit.register(self.shutdown)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn(*args, **kwargs)` in a thread of the pool.

        Raises:
            RuntimeError: The pool was shut down (the stock pool's words).
        """
        call = _Call(functools.partial(fn, *args, **kwargs), self._orphan)
        with self._lock:
            if self._is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._hire(len(self._queue) + 1)
            self._queue.append(call)
            self._arrived.notify()
        return call

    def shutdown(  # the stock signature
        self,
        wait: bool = True,  # noqa: FBT001, FBT002
        *,
        cancel_futures: bool = False,
    ) -> None:
        """Take no more calls, wait for those that somebody waits for, and rouse the orphans.

        A call that becomes an orphan meanwhile is no longer waited for. In a child made by fork it
        does nothing: the threads have stayed with the parent.
        """
        if self._pid != os.getpid():
            return
        with self._lock:
            self._is_shut = True
            dropped = list(self._queue) if cancel_futures else []
            self._arrived.notify_all()
        for call in dropped:
            call.cancel()
        if wait:
            self._wait()
            atexit.unregister(self.shutdown)
        self.rouse()

    def orphans(self) -> list[threading.Thread]:
        """The threads that run a call nobody waits for."""
        with self._lock:
            return [thread for call, thread in self._running.items() if call.tie is not _Tie.WANTED]

    def calls(self) -> dict[int, tuple[str, float]]:
        """What runs in each thread that is at work, and for how many seconds."""
        now = time.monotonic()
        with self._lock:
            return {
                thread.ident: (_function(call.work), now - call.began_at)
                for call, thread in self._running.items()
                if thread.ident is not None
            }

    def rouse(self, seconds: float = 0.1) -> None:
        """End the orphans that read from stdin, as by end-of-file; each is tried once.

        From any thread, but not the loop's, which it would hold up. For its duration fd 0 is
        /dev/null: whoever begins to read stdin then, or starts a child, gets end-of-file. Where it
        cannot be done (Windows, no free fd) it does nothing.

        Args:
            seconds: How long to wait for them at most; those in `input()` take one millisecond.
        """
        with self._lock:
            stuck = [call for call in self._running if call.tie is _Tie.ORPHAN]
        if not stuck or sys.platform == "win32":
            return
        with contextlib.suppress(OSError), _stdin_lock, _end_of_file_on_stdin(self._terminal):
            self._send(stuck, signal.SIGURG)
            with self._lock:
                self._finished.wait_for(lambda: self._running.keys().isdisjoint(stuck), seconds)

    def _send(self, calls: list[_Call], number: int) -> None:
        # Under the lock a running call's thread cannot end: a signal to one that has ended is
        # undefined behaviour.
        with self._lock:
            for call in calls:
                if (thread := self._running.get(call)) and thread.ident is not None:
                    call.tie = _Tie.ROUSED
                    signal.pthread_kill(thread.ident, number)

    def _wait(self) -> None:
        with self._lock:
            self._finished.wait_for(lambda: not self._queue and not self._wanted())
            ending = self._workers - set(self._running.values())
        for thread in ending:
            thread.join()

    def _wanted(self) -> list[_Call]:
        return [call for call in self._running if call.tie is _Tie.WANTED]

    def _hire(self, queued: int) -> None:
        orphans = len(self._running) - len(self._wanted())
        if queued <= self._idle or len(self._workers) - orphans >= self._size:
            return
        name = f"{self._name}_{self._started}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        thread.start()
        self._started += 1
        self._workers.add(thread)

    def _serve(self) -> None:
        while (call := self._take()) is not None:
            _run(call)
            with self._lock:
                del self._running[call]
                self._finished.notify_all()
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
            if call not in self._running or call.tie is not _Tie.WANTED:
                return
            call.tie = _Tie.ORPHAN
            self._finished.notify_all()
            with contextlib.suppress(RuntimeError):  # no more threads: the queue waits
                self._hire(len(self._queue))


def adopt(loop: asyncio.AbstractEventLoop) -> None:
    """Make an `Executor` the loop's default one, for the loop's life.

    One that the user has set is left alone, as far as the loop tells: uvloop does not.
    """
    if loop in _adopted:
        return
    found = getattr(loop, "_default_executor", None)  # asyncio has no public way to ask
    ours: Executor | None = None
    if found is None or getattr(found, "_thread_name_prefix", "") == "asyncio":
        ours = Executor()
        loop.set_default_executor(ours)
    _adopted[loop] = ours


def calls(loop: asyncio.AbstractEventLoop | None) -> dict[int, tuple[str, float]]:
    """What the threads of a loop's `Executor` are at, by thread; nothing where it has none."""
    ours = _adopted.get(loop) if loop is not None else None
    return ours.calls() if ours is not None else {}


_adopted: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Executor | None] = (
    weakref.WeakKeyDictionary()
)


def _function(work: Any) -> str:
    """The name of what is called behind `to_thread`, `run_in_executor` and `partial`."""
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


def _terminal_settings() -> list[Any] | None:
    if sys.platform == "win32":
        return None
    try:
        return termios.tcgetattr(0)
    except (OSError, termios.error):
        return None


@contextlib.contextmanager
def _end_of_file_on_stdin(terminal: list[Any] | None) -> Generator[None, None, None]:
    """Put /dev/null on fd 0, and a handler under SIGURG that does nothing but interrupt."""
    with contextlib.ExitStack() as stack:
        saved = os.dup(0)
        stack.callback(os.close, saved)
        null = os.open(os.devnull, os.O_RDWR)
        stack.callback(os.close, null)
        faulthandler.register(signal.SIGURG, file=null, all_threads=False)
        stack.callback(faulthandler.unregister, signal.SIGURG)
        stack.callback(_put_terminal_back, terminal)
        stack.callback(os.dup2, saved, 0, os.get_inheritable(0))
        os.dup2(null, 0)
        yield


def _put_terminal_back(terminal: list[Any] | None) -> None:
    if sys.platform == "win32" or terminal is None or "readline" not in sys.modules:
        return
    with contextlib.suppress(OSError, termios.error):
        # A background process that sets the terminal would be stopped by SIGTTOU.
        if os.tcgetpgrp(0) == os.getpgrp():
            termios.tcsetattr(0, termios.TCSANOW, terminal)
