"""Programs whose loop has a `DaemonThreadPool`, run as child processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]


# What the children share. A call "is blocked" once its thread is in a system call on fd 0 or 1 (GNU
# readline selects on one fd): the fact that the tests wait for, seen from outside the interpreter.
PREAMBLE = """
import asyncio, os, sys, threading, time
from supervisor._process.threads import DaemonThreadPool

def is_blocked():
    for thread in threading.enumerate():
        if not thread.name.startswith("supervisor-executor"):
            continue
        with open(f"/proc/self/task/{thread.native_id}/syscall") as file:
            if file.read().split()[1:2] in (["0x0"], ["0x1"]):
                return True

async def orphan(function, *args):
    call = asyncio.create_task(asyncio.to_thread(function, *args))
    while not is_blocked():
        await asyncio.sleep(0.005)
    call.cancel()
    try:
        await call
    except asyncio.CancelledError:
        print("stopped", flush=True)

def run(main):
    async def supervised():
        asyncio.get_running_loop().set_default_executor(executor)
        await main()
    if sys.argv[1] == "uvloop":
        import uvloop
        uvloop.run(supervised())
    else:
        asyncio.run(supervised())

executor = DaemonThreadPool()
"""

needs_proc = pytest.mark.skipif(
    not Path(f"/proc/self/task/{threading.get_native_id()}/syscall").exists(),
    reason="a blocked thread is recognised by /proc/.../syscall",
)
both_loops = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


class Child:
    """A Python process in a session of its own, its stdin held open."""

    def __init__(self, script: str, loop: str, stdin: int | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(script), loop],
            stdin=subprocess.PIPE if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            start_new_session=True,
        )

    def read_until(self, word: bytes) -> None:
        """Read stdout up to the line with this word."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if word in line:
                return
        pytest.fail(f"the child ended before {word!r}: {self.finish()}")

    def type(self, text: bytes) -> None:
        """Write to the pipe on its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def finish(self) -> tuple[int, bytes, bytes]:
        """Return its status and the rest of stdout and stderr; stdin stays open until it ends."""
        status = self.process.wait(10)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        return status, self.process.stdout.read(), self.process.stderr.read()

    def close(self) -> None:
        """End it where the test has failed, and close the pipes."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def child(script: str, loop: str, stdin: int | None = None) -> Generator[Child, None, None]:
    """Run a child, and leave none behind."""
    made = Child(script, loop, stdin)
    try:
        yield made
    finally:
        made.close()
