"""The log: structlog events and lines on stderr, written by threads that nobody waits for.

A report is made while a stop is under way. If stderr is an unread pipe or a stopped terminal, a
write to it hangs. So helper threads write, and the caller only puts something in a queue. There are
two, one for the log and one for stderr: a user's log handler that hangs must not hold back the
stack report on stderr, nor a full pipe the log.

Events go to the standard library's logger `supervisor`, with facts as the record's `extra`. Its
handlers, levels and filters are the user's; nothing is configured here. The record is made in the
caller's thread, so its time, thread and context variables are the caller's.

Not chosen: `QueueHandler` (it formats in the caller's thread, and belongs in the user's set-up);
threads that start at import.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from queue import SimpleQueue
from typing import Any, Final

import structlog

from supervisor._reports.log_events import LogEvent

_logger: Final = logging.getLogger("supervisor")
# Without a handler, `logging` would print warnings to stderr by itself.
_logger.addHandler(logging.NullHandler())

# `logging` refuses an extra of a name that a record has already.
_RESERVED: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

_Job = Callable[[], None]


class Reporter:
    """Takes events and text, and never delays its caller.

    There is one for the process (`reporter`). Its threads start with the first report, and anew in
    a forked child. At the interpreter's exit it is flushed.
    """

    def __init__(self) -> None:
        self._log_writer = _Writer("supervisor-log")
        self._stderr_writer = _Writer("supervisor-stderr")
        self._bound: Any = structlog.wrap_logger(
            _Recorder(self._log_writer.put),
            processors=[structlog.contextvars.merge_contextvars, _render],
            wrapper_class=structlog.BoundLogger,
            context_class=dict,
        )
        self.step_aside: Callable[[], str] = str
        """Returns what to write before a text, so that it does not go into a line of somebody's.

        Called in the thread that writes, by whoever keeps a line at the terminal.
        """
        atexit.register(self.flush)

    def event(self, event: LogEvent, *, line: str | None = None, **facts: Any) -> None:
        """Log an event, and tell the person at the terminal.

        Args:
            event: What happened.
            line: The sentence for a person; shown only where stderr is a terminal.
            facts: The record's attributes, as the table has them. A name that every record has
                already gets a `_` at its end. `exc_info` may be an exception.
        """
        try:
            if _logger.isEnabledFor(event.level):
                self._bound.record(event.name, level=event.level, **facts)
        except Exception as error:  # noqa: BLE001 - of a record factory, or context variables
            self.write(f"supervisor: no log record of {event.name!r} could be made: {error!r}\n")
        if line is not None:
            self.say(line)

    def is_logged(self, event: LogEvent) -> bool:
        """Return whether the logger's level lets an event through."""
        return _logger.isEnabledFor(event.level)

    @property
    def has_reader(self) -> bool:
        """Whether a person reads stderr: it is a terminal."""
        return has_stderr() and os.isatty(2)

    def say(self, line: str) -> None:
        """Write a sentence for a person, where stderr is a terminal."""
        if self.has_reader:
            self.write(f"{line}\n")

    def write(self, text: str | Callable[[], str]) -> None:
        """Write text to stderr, terminal or not.

        Args:
            text: What to write, or a function that returns it, called in the thread that writes.
        """
        self._stderr_writer.put(lambda: self._write(text if isinstance(text, str) else text()))

    def _write(self, text: str) -> None:
        if text:
            _write_to_stderr(self.step_aside() + text)

    def start(self) -> None:
        """Start the threads now: at the interpreter's end Python 3.12 starts none."""
        for writer in (self._stderr_writer, self._log_writer):
            writer.start()

    def flush(self, seconds: float = 0.2) -> bool:
        """Wait until all that was reported so far is written.

        Args:
            seconds: How long to wait at most.

        Returns:
            Whether all is written.
        """
        deadline = time.monotonic() + seconds
        dones = [writer.mark() for writer in (self._stderr_writer, self._log_writer)]
        return all(done.wait(max(0.0, deadline - time.monotonic())) for done in dones)


class _Writer:
    """A daemon thread that does jobs from a queue, one after the other."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._begin()
        if sys.platform != "win32":
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, job: _Job) -> None:
        self._jobs.put(job)
        if self._thread is None:
            self.start()

    def mark(self) -> threading.Event:
        """Return an event that is set once all that was put before is done."""
        done = threading.Event()
        if self._thread is None:
            done.set()
        else:
            self._jobs.put(done.set)
        return done

    def start(self) -> None:
        """Start the thread, if there is none."""
        # RuntimeError: no thread can be started any more. The job waits for a later try.
        with self._lock, contextlib.suppress(RuntimeError):
            if self._thread is None:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                thread.start()
                self._thread = thread

    def _work(self) -> None:
        jobs = self._jobs
        while True:
            try:
                jobs.get()()
            except BaseException as error:  # noqa: BLE001
                # A user's log handler: none may end the thread. Not logged: it would fail again.
                reporter.write(f"supervisor: a log handler raised {error!r}\n")


class _Recorder:
    """Stands in for structlog's logger: makes the record now, and has it handled elsewhere."""

    def __init__(self, put: Callable[[_Job], None]) -> None:
        self._put = put

    def record(
        self, *, level: int, event: str, exc_info: BaseException | None, extra: Mapping[str, Any]
    ) -> None:
        info = (type(exc_info), exc_info, exc_info.__traceback__) if exc_info else None
        made = _logger.makeRecord(
            _logger.name, level, __file__, 0, event, (), info, func=None, extra=extra
        )
        self._put(lambda: _logger.handle(made))


def _render(_logger: object, _method: str, facts: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments of `_Recorder.record`, as structlog's last processor."""
    return {
        "event": facts.pop("event"),
        "level": facts.pop("level"),
        "exc_info": facts.pop("exc_info", None),
        "extra": {f"{k}_" if k in _RESERVED else k: value for k, value in facts.items()},
    }


def has_stderr() -> bool:
    """Return whether fd 2 is a stderr: in a process started without one it is a user's file."""
    return sys.__stderr__ is not None


def _write_to_stderr(text: str) -> None:
    if not has_stderr():
        return
    data = text.encode(errors="backslashreplace")
    while data:
        try:
            data = data[os.write(2, data) :]
        except BlockingIOError:  # a terminal that someone made non-blocking
            select.select([], [2], [])
        except OSError:  # closed, or nobody reads it any more
            return


reporter: Final = Reporter()
