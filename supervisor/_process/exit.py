"""The end of the process: in order and by a signal, or at once and delayed by nothing.

A process that was stopped by a signal should die by it: a shell ends its script, systemd counts it
as a clean stop, and `sys.exit(143)` is neither. But death by a signal skips what the interpreter
does at its end. So that is done first, with the calls that multiprocessing's children make.

The forced end is `os._exit`: a thread, a handler, or a full pipe can hold up everything else.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

if sys.platform != "win32":
    from supervisor._process import last_line, terminal

REPORT_SECONDS: Final = 0.2
"""How long a last report may take."""


def exit_status(number: int) -> int:
    """Return the status that shells give a death by this signal: 128 + its number."""
    return 128 + number


def _nothing(*_: object) -> None:
    """Do nothing."""


def end_by_signal(
    number: int,
    scan: Callable[[], None] = _nothing,
    sweep: Callable[[], None] = _nothing,
    final: Callable[[int], None] = _nothing,
) -> NoReturn:
    """End the process in order, by this signal.

    To be called in the main thread, with no loop running.

    Args:
        number: The signal to die by.
        scan: As for `prepare_end`.
        sweep: As for `prepare_end`.
        final: As for `die_by_signal`.
    """
    try:
        prepare_end(scan, sweep)
    finally:
        die_by_signal(number, final)


def prepare_end(scan: Callable[[], None] = _nothing, sweep: Callable[[], None] = _nothing) -> None:
    """Do what the interpreter does at its end, and raise nothing.

    Non-daemon threads are joined, `atexit` handlers run, the standard streams flushed; a
    `KeyboardInterrupt` meanwhile skips the step that it interrupts. A file that was left open is
    not flushed: the interpreter would have closed it later than that.

    To be called in the main thread, with no loop running.

    Args:
        scan: Called before each step that may end a process, to find that one's children.
        sweep: Called after them, to end the processes that were started.
    """
    for step in (scan, _JOIN_THREADS, scan, _CALL_HANDLERS, sweep, _flush):
        # The interpreter, too, goes on whatever a step raises.
        with contextlib.suppress(BaseException):
            step()


def die_by_signal(number: int, final: Callable[[int], None] = _nothing) -> NoReturn:
    """End the process by a signal, at once.

    Where the signal does not end the process, its status is 128 + number: for PID 1 the kernel
    ignores a signal's default action, also one sent by itself; Windows has no death by a signal.

    Args:
        number: The signal to die by.
        final: Called with the status in the last moment; may end the process itself.
    """
    try:
        with contextlib.suppress(BaseException):
            final(exit_status(number) if _cannot_die() else -number)
    finally:
        _die_by(number)


def end_with_interpreter(ends: Sequence[tuple[float, Callable[[], None]]]) -> None:
    """End the process at a deadline, if the interpreter is at its end by then and stuck there.

    It may be stuck in a thread of the user's that it waits for, or in an `atexit` handler. Nothing
    happens where the main thread goes on beyond the deadline, nor in a forked child.

    Not chosen: a thread for each deadline (it would exist for minutes, where that is far), and
    to start one as the interpreter begins to end (Python 3.12 starts none then).

    Args:
        ends: When to end the process, by `time.monotonic()`, and what to call for that; called in
            a thread, in order. What is due before the interpreter's end begins is left out.
    """
    now = time.monotonic()
    for passed in [end for end, at in _ends.items() if at <= now]:
        del _ends[passed]
    _ends.update((end, at) for at, end in ends)
    with contextlib.suppress(RuntimeError):  # no more threads
        _wait_for_interpreter_end()


_ends: Final[dict[Callable[[], None], float]] = {}
"""What to call, and when: for the stops whose deadline may not have passed."""


@functools.cache  # one thread in a process, for its life
def _wait_for_interpreter_end() -> None:
    is_ending = threading.Event()
    keep = functools.partial(_keep_deadlines, is_ending)
    threading.Thread(target=keep, name="supervisor-end", daemon=True).start()
    try:
        # Not `join` of the main thread: executors are waited for before it counts as ended.
        _AT_END(is_ending.set)
    except RuntimeError:  # the interpreter is at its end already
        is_ending.set()


def _keep_deadlines(is_ending: threading.Event) -> None:
    is_ending.wait()
    now = time.monotonic()
    for end, at in sorted(_ends.items(), key=lambda item: item[1]):
        if at > now:
            time.sleep(max(0.0, at - time.monotonic()))
            end()


def _forget() -> None:
    """Drop the deadlines in a forked child, which does not have the thread either."""
    _ends.clear()
    _wait_for_interpreter_end.cache_clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget)


def exit_now(
    status: int,
    report: Callable[[], None] | None = None,
    final: Callable[[], None] = _nothing,
    *,
    seconds: float = REPORT_SECONDS,
) -> NoReturn:
    """End the process from any thread, with a last report that cannot delay it.

    Neither `atexit` handlers nor `finally` blocks run. The report and the flush of the standard
    streams happen in a thread of their own: a full pipe, a stopped terminal, or a lock that the
    stuck main thread holds would keep this one. Then the last line of machine output is written,
    and the terminal is given back; neither waits for anybody.

    Args:
        status: The exit status.
        report: Called before the flush; may write, log, or hang.
        final: Called after it; must not hang, and may end the process itself.
        seconds: How long to wait for both at most.
    """
    until = time.monotonic() + seconds
    if sys.platform != "win32":
        last_line.begin_forced_end()
    helper = threading.Thread(
        target=_report_and_flush, args=(report,), name="supervisor-last-report", daemon=True
    )
    try:
        helper.start()
    except RuntimeError:  # no more threads: from Python 3.12 on none at the interpreter's end
        if report is not None:
            report()
    else:
        with contextlib.suppress(RuntimeError):
            _refresh_last_line(until)
        helper.join(max(0.0, until - time.monotonic()))
    finally:
        with contextlib.suppress(BaseException):
            _write_and_give_back(until)
        with contextlib.suppress(BaseException):
            final()
        os._exit(status)


def _refresh_last_line(until: float) -> None:
    """Have it know of the stop; the functions that tell it so are the program's, and may hang."""
    if sys.platform != "win32" and last_line.is_wanted():
        refresh = threading.Thread(target=last_line.refresh, name="supervisor-last", daemon=True)
        refresh.start()
        refresh.join(max(0.0, until - time.monotonic()))


def _write_and_give_back(until: float) -> None:
    if sys.platform != "win32":
        last_line.write_forced(until)
        terminal.give_back()


def _cannot_die() -> bool:
    """Return whether no signal of its own ends this process."""
    return os.getpid() == 1 or sys.platform == "win32"


def _die_by(number: int) -> NoReturn:
    try:
        if sys.platform != "win32":
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
            signal.raise_signal(number)
    finally:  # whatever a handler of another signal raises; not the main thread; cannot be set
        os._exit(exit_status(number))


def _report_and_flush(report: Callable[[], None] | None) -> None:
    try:
        if report is not None:
            report()
    finally:
        _flush()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # Closed, gone (None), or a pipe that nobody reads any more.
        with contextlib.suppress(Exception):
            stream.flush()


# Private names, which `concurrent.futures` and multiprocessing's children call too, on every
# supported version.
_AT_END: Final[Callable[[Callable[[], object]], None]] = getattr(threading, "_register_atexit")  # noqa: B009
_JOIN_THREADS: Final[Callable[[], None]] = getattr(threading, "_shutdown")  # noqa: B009
_CALL_HANDLERS: Final[Callable[[], None]] = getattr(atexit, "_run_exitfuncs")  # noqa: B009
