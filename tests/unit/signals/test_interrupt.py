"""Code that blocks the loop is interrupted where it is the user's, or waits for the user."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import queue
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from concurrent import futures
from types import CodeType, FrameType
from typing import Any

import pytest

from supervisor._signals.interrupt import (
    WAITS,
    Interrupted,
    _user_code,
    interrupt,
    take_interrupted,
)

pytestmark = [
    pytest.mark.blocks,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
]

_PATIENCE = 10.0
Wait = Callable[[], Any]


@contextlib.contextmanager
def _interrupting(is_there: Callable[[FrameType], bool], *, once: bool = True) -> Generator[None]:
    """Interrupt the main thread whenever it is there, by a signal as the supervisor's own."""
    is_over, main = threading.Event(), threading.main_thread().ident
    has_raised = False
    assert main is not None

    def handle(_number: int, frame: FrameType | None) -> None:
        nonlocal has_raised
        if once and has_raised:
            return
        try:
            interrupt(frame)
        except Interrupted:
            has_raised = True
            raise

    def work() -> None:
        while not is_over.wait(0.001):
            if is_there(sys._current_frames()[main]):
                signal.pthread_kill(main, signal.SIGUSR1)

    take_interrupted()
    before = signal.signal(signal.SIGUSR1, handle)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        is_over.set()
        thread.join()
        signal.signal(signal.SIGUSR1, before)


def _waits(frame: FrameType) -> bool:
    """Return whether a frame is within a wait of the standard library."""
    return frame.f_globals["__name__"] in WAITS


def _in_thread(wait: Callable[[futures.ThreadPoolExecutor, futures.Future[bool]], Any]) -> Wait:
    """Return a wait for a call that another thread runs."""

    def made() -> Any:
        let_go = threading.Event()
        with contextlib.ExitStack() as stack:
            executor = futures.ThreadPoolExecutor(1)
            stack.callback(executor.shutdown)
            stack.callback(let_go.set)
            return wait(executor, executor.submit(let_go.wait, _PATIENCE))

    return made


def _full() -> queue.Queue[int]:
    full = queue.Queue[int](maxsize=1)
    full.put(1)
    return full


def _select() -> None:
    reader, writer = socket.socketpair()
    with reader, writer, selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        selector.select(_PATIENCE)


def _condition() -> None:
    condition = threading.Condition()
    with condition:
        condition.wait_for(lambda: False, _PATIENCE)


_WAITS: dict[str, Wait] = {
    "Event.wait": lambda: threading.Event().wait(_PATIENCE),
    "Event.wait without end": lambda: threading.Event().wait(),
    "Condition.wait_for": _condition,
    "Semaphore.acquire": lambda: threading.Semaphore(0).acquire(timeout=_PATIENCE),
    "Barrier.wait": lambda: threading.Barrier(2).wait(_PATIENCE),
    "Queue.get": lambda: queue.Queue[int]().get(timeout=_PATIENCE),
    "Queue.put": lambda: _full().put(2, timeout=_PATIENCE),
    "Queue.join": lambda: _full().join(),
    "Future.result": _in_thread(lambda _, future: future.result(_PATIENCE)),
    "Future.exception": _in_thread(lambda _, future: future.exception(_PATIENCE)),
    "futures.wait": _in_thread(lambda _, future: futures.wait([future], _PATIENCE)),
    "as_completed": _in_thread(lambda _, future: list(futures.as_completed([future]))),
    "Executor.map": _in_thread(lambda executor, _: list(executor.map(abs, [1]))),
    "Executor.shutdown": _in_thread(lambda executor, _: executor.shutdown()),
    "select": _select,
    "subprocess.run": lambda: subprocess.run(["sleep", "10"], capture_output=True, check=False),
}


@pytest.mark.parametrize("name", list(_WAITS))
async def test_a_wait_that_user_code_has_called_is_interrupted(name: str) -> None:
    """A wait that user code has called ends at once, with an error that names the line."""
    with _interrupting(_waits), pytest.raises(Interrupted, match=r"\(.*:\d+\) blocked"):
        _WAITS[name]()


async def test_a_wait_for_the_blocked_loop_is_interrupted() -> None:
    """A wait for a coroutine of the blocked loop, which could never end, is interrupted."""
    may_end = asyncio.Event()
    future = asyncio.run_coroutine_threadsafe(may_end.wait(), asyncio.get_running_loop())
    with _interrupting(_waits), pytest.raises(Interrupted):
        future.result()
    may_end.set()
    await asyncio.wrap_future(future)


async def test_a_join_is_interrupted() -> None:
    """A `join` is interrupted, and the thread runs on."""
    let_go = threading.Event()
    thread = threading.Thread(target=let_go.wait, daemon=True)
    thread.start()
    with _interrupting(_waits), pytest.raises(Interrupted):
        thread.join()
    assert thread.is_alive() or sys.version_info < (3, 13)
    let_go.set()
    thread.join()


async def test_an_interrupted_wait_leaves_no_lock_held() -> None:
    """At whatever line signals come, no lock stays held, and the next wait works."""
    event = threading.Event()
    with _interrupting(lambda _: True, once=False):
        for _ in range(200):
            with contextlib.suppress(Interrupted):
                while True:
                    event.wait(0.0001)
    condition = getattr(event, "_cond")  # noqa: B009 - a private name
    assert condition.acquire(blocking=False)
    condition.release()
    assert not condition._waiters


async def test_an_interrupted_queue_still_works() -> None:
    """An item that is put into an interrupted queue later comes out."""
    line = queue.Queue[int]()
    with _interrupting(_waits), pytest.raises(Interrupted):
        line.get()
    line.put(1)
    assert line.get_nowait() == 1


async def test_a_wait_of_logging_is_not_interrupted() -> None:
    """A wait within logging, whose handlers hold a lock, is not interrupted."""

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            threading.Event().wait(0.3)
            told.append("the record")

    told = list[str]()
    log, seen = logging.getLogger("slow"), list[bool]()
    log.addHandler(slow := Slow())

    def is_there(frame: FrameType) -> bool:
        seen.append(_waits(frame))
        return seen[-1]

    try:
        with _interrupting(is_there), contextlib.suppress(Interrupted):  # behind the wait
            log.warning("told")
            told.append("all of it")
    finally:
        log.removeHandler(slow)
    assert any(seen)
    assert told[0] == "the record"


def _code(module: str, qualname: str) -> CodeType | None:
    """Return the code of a function, if this Python has it; None for a nested one."""
    found: Any = sys.modules[module]
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return getattr(found, "__code__", None)


def test_each_wait_that_is_named_exists() -> None:
    """Each function that `WAITS` names exists in the standard library."""
    importlib.import_module("concurrent.futures.process")
    absent = {
        f"{module}.{name}"
        for module, names in WAITS.items()
        for name in names
        if "<locals>" not in name and _code(module, name) is None
    }
    expected = {"selectors.KqueueSelector.select"} if sys.platform == "linux" else absent
    if sys.version_info >= (3, 13):
        expected = expected | {"threading.Thread._wait_for_tstate_lock"}
    assert absent == expected


def test_each_blocking_call_is_made_in_its_function() -> None:
    """Each function in `WAITS` makes the blocking call that is named for it."""
    for module, names in WAITS.items():
        for name, call in names.items():
            code = _code(module, name) if call else None
            is_old_join = name == "Thread.join" and sys.version_info < (3, 13)
            if code is not None and not is_old_join:
                assert call in code.co_names, name


def test_where_no_python_code_runs_nothing_is_interrupted() -> None:
    """A handler that is called with no frame has nobody to raise in."""
    assert _user_code(None) is None
