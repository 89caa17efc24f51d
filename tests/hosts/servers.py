"""Servers as processes of their own: started by a command line, signalled by pid, seen to the end.

Each runs in a session of its own, as under a terminal or a service manager, so that a test can give
Ctrl-C to the whole process group. Every wait has a deadline, at which the test fails. On the way
out all processes of a server are killed; they are known by a mark in their environment.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import IO, Final

import h11
import psutil

from tests.hosts.clients import get
from tests.hosts.command_lines import CommandLine
from tests.hosts.ports import free_port

APPS: Final = "tests.hosts.apps"
ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 40.0
"""Seconds for what will come unless something hangs."""

_MARK: Final = "SUPERVISOR_TESTS_SERVER"
_LOOK_SECONDS: Final = 0.02  # between two looks at what tells us nothing by itself
_GUARD_SECONDS: Final = 3.0  # in which what was killed, or watches the server, goes as well


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a server has ended."""

    status: int
    """Its exit status, or minus the signal that it died by."""
    seconds: float
    """From the first signal to its end."""
    output: str
    """What all its processes have written to stdout and stderr."""
    left: tuple[str, ...]
    """Processes that have outlived it."""

    def story(self) -> str:
        """Return all of it, for the message of a failed test."""
        left = "\n".join(self.left) or "nothing"
        return (
            f"status {self.status} after {self.seconds:.2f} s; left behind: {left}\n"
            f"--- output\n{self.output[-8000:]}"
        )


class Server:
    """A server that runs."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, output: IO[bytes], mark: str
    ) -> None:
        self.port = port
        self._process = process
        self._output = output
        self._mark = mark
        self._first_signal: float | None = None

    @property
    def pid(self) -> int:
        """The process of the command line; servers with workers have others below it."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What all its processes have written so far."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def wait_ready(self, path: str = "/plain", seconds: float = PATIENCE) -> None:
        """Wait until it answers a request for `path` with 200.

        Raises:
            AssertionError: It has ended, or the time is over.
        """
        end = time.monotonic() + seconds
        while not self._answers(path):
            assert self._process.poll() is None, f"it has ended\n{self.output}"
            assert time.monotonic() < end, f"it does not answer after {seconds:g} s\n{self.output}"
            time.sleep(_LOOK_SECONDS)

    def _answers(self, path: str) -> bool:
        with contextlib.suppress(OSError, h11.RemoteProtocolError):
            return get(self.port, path, seconds=5).status == 200
        return False

    def wait_for(self, text: str, times: int = 1, seconds: float = PATIENCE) -> None:
        """Wait until `text` is in its output so many times.

        Raises:
            AssertionError: It has ended, or the time is over.
        """
        end = time.monotonic() + seconds
        while self.output.count(text) < times:
            assert self._process.poll() is None, f"ended without {text!r}\n{self.output}"
            assert time.monotonic() < end, f"no {text!r} after {seconds:g} s\n{self.output}"
            time.sleep(_LOOK_SECONDS)

    def signal(self, number: Signals, *, group: bool = False) -> None:
        """Send a signal to it, or to its whole process group, as a terminal does."""
        if self._first_signal is None:
            self._first_signal = time.monotonic()
        if self._process.poll() is None:
            (os.killpg if group else os.kill)(self.pid, number)

    def insist(self, number: Signals, every: float = 0.4) -> None:
        """Send a signal again and again, at intervals of so many seconds, until it has ended.

        Raises:
            AssertionError: It does not end.
        """
        end = time.monotonic() + PATIENCE
        while True:
            self.signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(every)
                return
            assert time.monotonic() < end, f"it does not end\n{self.output}"

    def wait(self, seconds: float = PATIENCE) -> Ended:
        """Wait for its end.

        Raises:
            AssertionError: It is still there after `seconds`.
        """
        began = self._first_signal or time.monotonic()
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"alive {time.monotonic() - began:.1f} s after its signal\n{self.output}"
            ) from None
        took = time.monotonic() - began
        left = self._left()
        return Ended(status=status, seconds=took, output=self.output, left=left)

    def _left(self) -> tuple[str, ...]:
        end = time.monotonic() + _GUARD_SECONDS
        while (found := self._processes()) and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
        return tuple(f"{process.pid} {' '.join(_words(process))}" for process in found)

    def _processes(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            is_alive = process.status() != psutil.STATUS_ZOMBIE
            return is_alive and process.environ().get(_MARK) == self._mark
        return False

    def close(self) -> None:
        """Kill what lives of it."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(PATIENCE)
        self._output.close()


@contextlib.contextmanager
def start(
    command: CommandLine, app: str, *, variables: Mapping[str, str] | None = None
) -> Generator[Server]:
    """Start a server, and wait until it answers; on the way out it is killed if it lives.

    Args:
        command: Its command line.
        app: The application: an attribute of `tests.hosts.apps`.
        variables: Variables of its environment besides ours.
    """
    with starting(command, f"{APPS}:{app}", variables=variables) as server:
        server.wait_ready()
        yield server


@contextlib.contextmanager
def starting(
    command: CommandLine,
    target: str,
    *,
    variables: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Generator[Server]:
    """Start a server as `start` does, and do not wait.

    Args:
        command: Its command line.
        target: The application: `module:attribute`.
        variables: Variables of its environment besides ours.
        python: The interpreter.
    """
    mark, port = uuid.uuid4().hex, free_port()
    environment = {**os.environ, **(variables or {}), _MARK: mark}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [python, "-m", *command(target, port)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        server = Server(process, port, output, mark)
        try:
            yield server
        finally:
            server.close()


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
