"""Headless runs in processes of their own, read line by line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import psutil

from tests.process.harness import Child, Server

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 50.0  # seconds for what comes at once, unless something hangs

Facts = dict[str, Any]

# By status: what the exit status is then. None: it depends on the signal.
_STATUS: Final = {"finished": 0, "timed_out": 124, "forced": 137, "killed": -signal.SIGKILL}
_BY_SIGNAL: Final = ("stopped", "abandoned")


@dataclass
class Ended:
    """A run that has ended."""

    status: int
    lines: list[Facts]
    raw: bytes
    stderr: str

    @property
    def result(self) -> Facts:
        """The last line, which is the only result and agrees with the exit status."""
        assert [line["type"] for line in self.lines].count("result") == 1, self.raw[-2000:]
        last = self.lines[-1]
        assert last["type"] == "result"
        assert self.status == _expected(last, self.status), (last, self.status)
        return last


def _expected(last: Facts, status: int) -> int:
    if last["status"] == "failed":
        return status if status in (1, 2) else -1
    if last["status"] in _BY_SIGNAL and last["signal"] is not None:
        return -signal.Signals[last["signal"]]
    return _STATUS["timed_out" if last["status"] == "abandoned" else last["status"]]


class Forked:
    """A child of the warm server, with the names of `Popen`.

    Args:
        child: The child.
        stdout: Where its stdout is read.
        stderr: Where its stderr is read.
    """

    def __init__(self, child: Child, stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self._child = child
        self.pid = child.pid
        self.stdout, self.stderr = stdout, stderr

    @property
    def returncode(self) -> int:
        """How it has ended."""
        return self._child.wait(0)

    def wait(self, timeout: float) -> int:
        """Wait for its end; return how it has ended."""
        return self._child.wait(timeout)

    def communicate(self, *, timeout: float) -> tuple[bytes, bytes]:
        """Read what it writes, which is little, and wait for its end."""
        said = self.stdout.read(), self.stderr.read()
        self.wait(timeout)
        return said

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self._child.signal(signal.SIGKILL)


@dataclass
class Headless:
    """A run that goes on."""

    process: subprocess.Popen[bytes] | Forked
    raw: bytearray = field(default_factory=bytearray)
    said: bytearray = field(default_factory=bytearray)

    def until(self, word: str) -> None:
        """Read until a line has this word.

        Raises:
            AssertionError: The output has ended.
        """
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            self.raw += line
            if word.encode() in line:
                return
        raise AssertionError(f"{word!r} never came: {bytes(self.raw[-2000:])!r}, {self._stderr()}")

    def until_busy(self) -> None:
        """Read stderr until the agent is in its turn.

        Raises:
            AssertionError: It has ended.
        """
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            self.said += line
            if line == b"busy\n":
                return
        raise AssertionError(f"the turn never came: {self._stderr()}")

    def signal(self, number: signal.Signals, *, below: int = 0) -> None:
        """Send a signal; `below`: so many generations below the process that was started."""
        process = psutil.Process(self.process.pid)
        for _ in range(below):
            process = min(process.children(), key=lambda child: child.pid)  # the guard is younger
        process.send_signal(number)

    def close(self) -> None:
        """Read nothing more: close the pipe."""
        assert self.process.stdout is not None
        self.process.stdout.close()

    def end(self) -> Ended:
        """Read to the end; return how it has ended."""
        if self.process.stdout is not None and not self.process.stdout.closed:
            self.raw += self.process.stdout.read()
        status = self.process.wait(PATIENCE)
        raw = bytes(self.raw)
        lines = [json.loads(line, parse_constant=_refuse) for line in _whole_lines(raw, status)]
        return Ended(status, lines, raw, self._stderr())

    def _stderr(self) -> str:
        assert self.process.stderr is not None
        self.said += self.process.stderr.read()
        return self.said.decode()


def _whole_lines(raw: bytes, status: int) -> list[bytes]:
    lines = raw.splitlines()
    is_forced = status in (_STATUS["forced"], _STATUS["killed"])
    # Only there one cut-off line may stand before the last.
    return [line for line in lines if not (is_forced and _is_cut(line))]


def _is_cut(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return True
    return False


def _refuse(constant: str) -> object:
    raise AssertionError(f"{constant} is no JSON")


@contextlib.contextmanager
def headless(
    target: str,
    *options: str,
    output: str = "stream-json",
    stdin: int = subprocess.DEVNULL,
    task: str = "a task",
    prefix: Sequence[str] = (),
    server: Server | None = None,
    environ: Mapping[str, str] | None = None,
) -> Generator[Headless]:
    """Run a target; whatever has become of it, it is killed at the end.

    Args:
        target: A function of `run_targets`, or a whole target.
        options: Words behind the target.
        output: The format.
        stdin: Its stdin.
        task: The task.
        prefix: Words before the command, as those that make it PID 1.
        server: Forks it; else it is a program of its own, which takes its time to import AutoGen.
        environ: With a server: variables that have been set since that was started.
    """
    target = target if ":" in target else f"tests.cli.run_targets:{target}"
    words = ["run", "--output-format", output, target, task, *options]
    started: AbstractContextManager[subprocess.Popen[bytes] | Forked]
    if server is None:
        started = _started([*prefix, sys.executable, "-m", "supervisor", *words], stdin)
    else:
        started = _forked(server, words, stdin, environ)
    with started as process:
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        try:
            yield Headless(process)
        finally:
            timer.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)


def _started(command: Sequence[str], stdin: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@contextlib.contextmanager
def _forked(
    server: Server, words: Sequence[str], stdin: int, environ: Mapping[str, str] | None
) -> Generator[Forked]:
    (read, write), (read_errors, write_errors) = os.pipe(), os.pipe()
    with os.fdopen(read, "rb") as stdout, os.fdopen(read_errors, "rb") as stderr:
        child = server.start(
            "command_line",
            stdin=None if stdin == subprocess.DEVNULL else stdin,
            stdout=write,
            stderr=write_errors,
            words=words,
            environ=environ,
        )
        with child as started:
            os.close(write)
            os.close(write_errors)
            yield Forked(started, stdout, stderr)
