"""Programs with a guard, in sessions of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Generator
from pathlib import Path

import psutil
import pytest

from tests.unit.signals.guards import guards_of

ROOT = Path(__file__).parents[2]
PATIENCE = 15.0
LADDER_SECONDS = 0.9
# The signal may have been read just before the interpreter was held.
WHY = r"the (interpreter was held|process did not end).*; the guard killed process \d+\n$"

on_each_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])

PREAMBLE = """
import asyncio, ctypes, os, re, signal, sys, threading, time
from supervisor import Ladder, Rung, Supervisor, run
LADDER = Ladder(drain=0.3, cancel=0.3, abandon=0.3)
tell = lambda text: print(f"<{text}>", flush=True)
def hold():  # and compute nothing: C code waits for a lock that is taken already
    c, lock = ctypes.PyDLL(None), ctypes.create_string_buffer(128)  # zeros are a free mutex
    c.pthread_mutex_lock(lock)
    tell("ready")
    c.pthread_mutex_lock(lock)
def backtrack():
    tell("ready")
    re.match("(a*)*b", "a" * 40)
def spin():
    tell("ready")
    while True:  # interrupted, it goes on
        try:
            for _ in range(10**9): _ + 1
        except BaseException: pass
"""

_TRACE = """
import ctypes, sys, time
SEIZE, c = 0x4206, ctypes.CDLL(None, use_errno=True)
print("ready", flush=True)
sys.stdin.readline()
failed = c.ptrace(SEIZE, int(sys.argv[1]), 0, 0)
print(f"failed: {ctypes.get_errno()}" if failed else "seized", flush=True)
time.sleep(60)
"""


class Program:
    """A script in a session of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    def until(self, text: str) -> None:
        """Read up to the line that is this text."""
        self.line_with(f"{text}>")

    def line_with(self, text: str) -> str:
        """Read up to the line that begins like this; return it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if f"<{text}".encode() in line:
                return line.decode().strip("<>\n")
        raise AssertionError(f"{text} never came: {self.stderr!r}")

    def guard(self) -> psutil.Process:
        """Return the pid of its guard."""
        (found,) = guards_of(self.pid)
        return found

    def signal(self, number: int) -> float:
        """Send it a signal; return when."""
        os.kill(self.pid, number)
        return time.monotonic()

    def wait(self) -> int:
        """Return its status."""
        return self._process.wait(PATIENCE)

    @property
    def stderr(self) -> bytes:
        """Return all of stderr, once the process is gone."""
        assert self._process.stderr is not None
        return self._process.stderr.read()


@contextlib.contextmanager
def program(script: str, **more: str) -> Generator[Program]:
    """Start one; kill it and its guard at the end."""
    with subprocess.Popen(
        [sys.executable, "-P", "-c", PREAMBLE + textwrap.dedent(script)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        start_new_session=True,
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()
            no_guard_is_left(process.pid)


@contextlib.contextmanager
def tracer(pid: int) -> Generator[Callable[[], None]]:
    """Start a tracer, and kill it at the end; return what has it seize a process.

    It has started by then, which may take longer than the process lives.
    """
    command = [sys.executable, "-c", _TRACE, str(pid)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:

        def answer() -> bytes:
            assert process.stdout is not None
            return process.stdout.readline()

        def seize() -> None:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
            said = answer()
            assert said == b"seized\n", said

        try:
            assert answer() == b"ready\n"
            yield seize
        finally:
            process.kill()


def no_guard_is_left(pid: int) -> None:
    """Check that the guards of a process end with it."""
    _, alive = psutil.wait_procs(guards_of(pid), timeout=PATIENCE)
    assert not alive, "a guard outlives its process"


def held(what: str, loop: str) -> str:
    """Return a script that runs a function of the preamble, and gives way to nothing."""
    return f"""
    async def main(sup):
        {what}()
    run(main, loop={loop!r}, ladder=LADDER)
    """


def until(is_true: Callable[[], bool]) -> None:
    """Wait for a fact."""
    end = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.01)
