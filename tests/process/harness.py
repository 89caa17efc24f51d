"""Real children for the tests: started warm, watched through facts, signalled by pid.

A test reads a fact that the child tells ("ready", "busy") and signals then; nothing sleeps before
a kill. Every wait has a deadline, at which the test fails and the child is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import psutil

_ROOT = Path(__file__).parents[2]
_PATIENCE = 30.0  # seconds for a fact that will come unless something hangs

MARGIN: Final = float(os.environ.get("TEST_MARGIN", "5"))
"""Seconds by which a busy machine may be late. What is not stopped lasts `LINGER`, or for ever."""

NEVER_SAID = (
    "Traceback",
    "never retrieved",
    "task_done",
    "destroyed but pending",
    "never awaited",
)
"""What no program that is stopped in order writes."""

Fact = dict[str, Any]


class Lines:
    """Reads JSON lines from an fd, with a deadline."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._buffer = b""

    def next(self, seconds: float) -> Fact | None:
        """Return the next line; None at the end of the stream.

        Raises:
            TimeoutError: None came in time.
        """
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            if not self._is_readable(deadline - time.monotonic()):
                raise TimeoutError(f"nothing came within {seconds:g} s")
            data = os.read(self.fd, 65536)
            if not data:
                return None
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        found: Fact = json.loads(line)
        return found

    def _is_readable(self, seconds: float) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self.fd, selectors.EVENT_READ)
            return bool(selector.select(max(0.0, seconds)))


class Child:
    """A program in a process of its own."""

    def __init__(self, channel: socket.socket, facts: int, stderr: IO[bytes], what: str) -> None:
        self._channel = channel
        self._messages = Lines(channel.fileno())
        self._facts = Lines(facts)
        self._stderr = stderr
        self._what = what
        self._status: int | None = None
        self.seen: list[Fact] = []
        started = self._messages.next(_PATIENCE)
        assert started is not None
        self.pid: int = started["pid"]

    def until(self, *names: str, seconds: float = _PATIENCE) -> Fact:
        """Wait for one of these facts; others are kept in `seen`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                fact = self._facts.next(deadline - time.monotonic())
            except TimeoutError:
                raise TimeoutError(f"{names} did not come: {self.story()}") from None
            if fact is None:
                raise AssertionError(f"{names} never came: {self.story()}")
            self.seen.append(fact)
            if fact["fact"] in names:
                return fact

    def signal(self, number: int, count: int = 1, thread: int | None = None) -> float:
        """Send a signal; returns when, by `time.monotonic()`. Nothing happens to one that ended.

        Args:
            number: Which.
            count: How often.
            thread: To the so-manieth of its threads (counted in a circle); None: to the process.
        """
        at = time.monotonic()
        with contextlib.suppress(OSError):
            self._channel.sendall(json.dumps([int(number), count, thread]).encode() + b"\n")
        return at

    def has_ended(self, within: float) -> bool:
        """Return whether it ends within so many seconds."""
        if self._status is None:
            with contextlib.suppress(TimeoutError):
                message = self._messages.next(within)
                assert message is not None, "the server has died"
                self._status = message["status"]
        return self._status is not None

    def wait(self, seconds: float = _PATIENCE) -> int:
        """Wait for the end; returns the exit code, or minus the signal that it died by."""
        if not self.has_ended(seconds):
            raise TimeoutError(f"still alive after {seconds:g} s: {self.story()}")
        assert self._status is not None
        return self._status

    def facts(self, name: str) -> list[Fact]:
        """Return all facts of this name, once it has ended."""
        with contextlib.suppress(TimeoutError):
            while (fact := self._facts.next(0.0)) is not None:
                self.seen.append(fact)
        return [fact for fact in self.seen if fact["fact"] == name]

    @property
    def stderr(self) -> str:
        """Return what it has written there so far."""
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")

    def story(self) -> str:
        """Return all that is known of it, for the message of a failed test."""
        self.facts("")
        tail = "\n".join(str(fact) for fact in self.seen[-20:])
        return f"{self._what}\nstatus {self._status}\n{tail}\n--- stderr\n{self.stderr[-6000:]}"

    def close(self) -> None:
        """Kill it if it lives."""
        if self._status is None:
            self.signal(signal.SIGKILL)
            self.has_ended(_PATIENCE)
        self._channel.close()
        os.close(self._facts.fd)
        self._stderr.close()


class Server:
    """The warm process, and what it has started."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.process.server", str(theirs.fileno())],
                cwd=_ROOT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        assert self._control.recv(4) == b"warm"

    @property
    def pid(self) -> int:
        """The parent of all children."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        typ: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._control.close()
        self._process.wait(_PATIENCE)

    @contextlib.contextmanager
    def start(
        self,
        program: str,
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        **arguments: Any,
    ) -> Generator[Child]:
        """Start a program; on the way out it is killed if it lives.

        Args:
            program: A key of `programs.PROGRAMS`.
            stdin: Its stdin; /dev/null if None.
            stdout: Its stdout; /dev/null if None.
            stderr: Its stderr; a file, of which `Child.stderr` reads, if None.
            arguments: What the program takes; JSON values.
        """
        request = json.dumps({"program": program, "arguments": arguments})
        ours, theirs = socket.socketpair()
        facts, facts_in = os.pipe()
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - the child's `close` closes it
        null = os.open(os.devnull, os.O_RDWR)
        fds = [
            null if stdin is None else stdin,
            null if stdout is None else stdout,
            errors.fileno() if stderr is None else stderr,
            facts_in,
            theirs.fileno(),
        ]
        socket.send_fds(self._control, [request.encode()], fds)
        theirs.close()
        os.close(facts_in)
        os.close(null)
        child = Child(ours, facts, errors, request)
        try:
            yield child
        finally:
            child.close()


def alive(pids: Iterable[int]) -> list[int]:
    """Return those that have not ended; a zombie has, whoever reaps it."""
    found: list[int] = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
    return found
