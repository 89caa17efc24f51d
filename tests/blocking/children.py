"""Starts the programs of `programs/` as children, and waits for the facts that they report."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import IO

from tests.blocking.programs.facts import FD
from tests.process.harness import Fact, Lines

ROOT = Path(__file__).parents[2]
PATIENCE = 15.0  # seconds for a fact that will come unless something hangs


class Child:
    """A program in a process and a session of its own."""

    def __init__(self, process: subprocess.Popen[bytes], facts: int, errors: IO[bytes]) -> None:
        self.process = process
        self._facts = Lines(facts)
        self._errors = errors
        self.seen: list[Fact] = []

    def until(self, name: str) -> Fact:
        """Wait for a fact."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fact = self._facts.next(deadline - time.monotonic())
            except TimeoutError:
                raise TimeoutError(f"{name!r} did not come: {self.story()}") from None
            assert fact is not None, f"{name!r} never came: {self.story()}"
            self.seen.append(fact)
            if fact["fact"] == name:
                return fact

    def signal(self, number: signal.Signals) -> float:
        """Send a signal; returns when, by `time.monotonic()`."""
        at = time.monotonic()
        self.process.send_signal(number)
        return at

    def wait(self) -> int:
        """Wait for the end; returns the exit code, or minus the signal that it died by."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"still alive: {self.story()}") from None

    @property
    def stderr(self) -> str:
        """Return what it has written there so far."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def story(self) -> str:
        """Return all that is known of it, for the message of a failed test."""
        told = "\n".join(map(str, self.seen))
        return f"status {self.process.poll()}\n{told}\n--- stderr\n{self.stderr[-6000:]}"


@contextlib.contextmanager
def started(program: str, *arguments: str, stdin: int | None = None) -> Generator[Child]:
    """Start a program of `programs/`; kill it at the end if it lives.

    Args:
        program: The module's name.
        arguments: What it takes.
        stdin: Its stdin; /dev/null if None.
    """
    reading, writing = os.pipe()
    environ = {name: value for name, value in os.environ.items() if name != "SUPERVISOR_GRACE"}
    environ[FD] = str(writing)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", f"tests.blocking.programs.{program}", *arguments],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.DEVNULL,
            pass_fds=[writing],
            stderr=errors,
            start_new_session=True,
        )
        os.close(writing)
        try:
            yield Child(process, reading, errors)
        finally:
            process.kill()
            process.wait(PATIENCE)
            os.close(reading)
