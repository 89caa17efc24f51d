"""A program in a fresh interpreter, as users start it; on request as PID 1 of a namespace.

Not a fork of the tests' server: its children have everything imported that a test may need, and
take a while to forget it. A peer would seem slow to end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, Final, Self

import psutil

from tests.process.harness import Fact, Lines
from tests.process.namespaces import UNSHARE

_ROOT: Final = Path(__file__).parents[2]
_PATIENCE: Final = 30.0  # seconds for a fact: it imports all by itself
_PID_1: Final = [*UNSHARE, "--kill-child"]


class Fresh:
    """A started program, which reports its facts on stdout."""

    def __init__(self, process: subprocess.Popen[bytes], stderr: IO[bytes], pid_1: bool) -> None:
        assert process.stdout is not None
        self._process = process
        self._end = os.pidfd_open(process.pid)
        self._facts = Lines(process.stdout.fileno())
        self._stderr = stderr
        self._is_pid_1 = pid_1
        self.seen: list[Fact] = []

    @classmethod
    @contextlib.contextmanager
    def start(
        cls, command: Sequence[str], *, pid_1: bool, stdin: int | None, stderr: int | None
    ) -> Generator[Self]:
        """Start it; kill it at the end if it lives.

        Args:
            command: What Python runs.
            pid_1: Whether it is PID 1.
            stdin: Its stdin; /dev/null if None.
            stderr: Its stderr; a file, of which `stderr` reads, if None.
        """
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                [*(_PID_1 if pid_1 else ()), sys.executable, "-P", *command],
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=subprocess.PIPE,
                stderr=errors if stderr is None else stderr,
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
                start_new_session=True,
            ) as process,
        ):
            it = cls(process, errors, pid_1)
            try:
                yield it
            finally:
                process.kill()  # under `unshare` the program too, by --kill-child
                os.close(it._end)

    @cached_property
    def program(self) -> psutil.Process:
        """The program as seen from here; known once it has reported a fact."""
        started = psutil.Process(self._process.pid)
        return started.children()[0] if self._is_pid_1 else started

    def session(self) -> list[psutil.Process]:
        """Return the other processes of its session, which no outsider can join."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError):
                if os.getsid(process.pid) == self._process.pid != process.pid:
                    found.append(process)
        return found

    def until(self, name: str, seconds: float = _PATIENCE) -> Fact:
        """Wait for a fact.

        Raises:
            TimeoutError: It did not come.
            EOFError: It never will.
        """
        end = time.monotonic() + seconds
        while True:
            fact = self._facts.next(end - time.monotonic())
            if fact is None:
                raise EOFError(f"{name!r} never came: {self.seen}\n{self.stderr}")
            self.seen.append(fact)
            if fact["fact"] == name:
                return fact

    def signal(self, number: int, thread: int | None = None) -> None:
        """Signal it, if it is still there.

        Args:
            number: The signal.
            thread: The thread, by the id that it has for itself, that is to get it.
        """
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            if thread is None:
                self.program.send_signal(number)
            else:
                _signal_thread(self.program, thread, number)

    def has_ended(self, within: float) -> bool:
        """Return whether it ends within so many seconds."""
        return bool(select.select([self._end], [], [], within)[0])

    def wait(self) -> int:
        """Return its status and all its facts, once it has ended."""
        with contextlib.suppress(TimeoutError):
            while (fact := self._facts.next(0.0)) is not None:
                self.seen.append(fact)
        return self._process.wait()

    @property
    def stderr(self) -> str:
        """Return what it has written there so far, unless a stderr was given."""
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")


def _signal_thread(program: psutil.Process, thread: int, number: int) -> None:
    for process in [program, *program.children(recursive=True)]:  # PID 1 may have split
        for found in process.threads():
            status = Path(f"/proc/{process.pid}/task/{found.id}/status").read_text()
            (ids,) = (line for line in status.splitlines() if line.startswith("NSpid:"))
            if int(ids.split()[-1]) == thread:
                ctypes.CDLL(None).tgkill(process.pid, found.id, int(number))
                return
