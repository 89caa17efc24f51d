"""Commands under `python -m supervisor exec`, also at a terminal, and as PID 1."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from tests.process.namespaces import UNSHARE, can_unshare

ROOT = Path(__file__).parents[2]
EXEC = [sys.executable, "-P", "-m", "supervisor", "exec"]
PATIENCE = 15.0

# Tells each signal that it hears, and what is typed; 7 is its status after "quit".
HEARS = """
import os, signal, sys
def tell(text):
    os.write(1, f"<{text}>\\n".encode())
for name in sys.argv[1].split(","):
    signal.signal(signal.Signals["SIG" + name], lambda n, f: tell(signal.Signals(n).name))
tell("ready")
while True:
    line = sys.stdin.readline() if len(sys.argv) > 2 else signal.pause()
    if line is not None:
        tell(f"read {line.strip()}")
    if line == "quit\\n" or line == "":
        sys.exit(7)
"""


NEEDS_NAMESPACE = pytest.mark.skipif(
    not can_unshare(), reason="needs the right to make a PID namespace"
)
PLACES = pytest.mark.parametrize(
    "prefix", [(), pytest.param(tuple(UNSHARE), marks=NEEDS_NAMESPACE)], ids=["plain", "pid1"]
)


def environment(**more: str) -> dict[str, str]:
    """Return the environment of these tests, and more."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


class Started:
    """A parent and its command; the test reads stdout."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int) -> None:
        self.process = process
        self._fd = fd
        self.output = ""

    @property
    def pid(self) -> int:
        """The pid of the parent, which under `unshare` is that of a child."""
        if self.process.args[0] != "unshare":  # type: ignore[index]
            return self.process.pid
        (child,) = psutil.Process(self.process.pid).children()
        return child.pid

    def until(self, text: str, seconds: float = PATIENCE) -> str:
        """Read up to this text; return what was read."""
        end = time.monotonic() + seconds
        while text not in self.output:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{text!r} did not come: {self.output!r}"
            data = b""
            with contextlib.suppress(OSError):  # EIO: the terminal's last user has gone
                data = os.read(self._fd, 65536)
            assert data, f"{text!r} never came: {self.output!r}"
            self.output += data.decode(errors="replace")
        found, _, self.output = self.output.partition(text)
        return found

    def signal(self, number: int) -> None:
        """Signal the parent."""
        os.kill(self.pid, number)

    def type(self, keys: bytes) -> None:
        """Type on the terminal."""
        os.write(self._fd, keys)

    def wait(self) -> int:
        """Return the status."""
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def started(command: Sequence[str], **more: str) -> Generator[Started]:
    """Start it in a session of its own; the whole session is killed at the end."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment(**more),
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield Started(process, process.stdout.fileno())
    finally:
        _kill_with_children(process)
        process.stdout.close()


@contextlib.contextmanager
def at_terminal(script: str, **more: str) -> Generator[Started]:
    """Start a shell with job control on a terminal of its own."""
    env = environment(HEARS=HEARS, **more)
    with bash_at_terminal("-m", "-c", script, env=env) as (process, ours):
        yield Started(process, ours)


@contextlib.contextmanager
def bash_at_terminal(
    *options: str, env: Mapping[str, str], cwd: Path | None = None
) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """Start bash on a terminal of its own; give its process, and our end of the terminal.

    All that it has started is killed at the end.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _LOGIN, *options],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env=env,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        _kill_with_children(process)
        os.close(ours)


_LOGIN = """
import fcntl, os, resource, sys, termios
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the shell would name the dump of a core
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp("bash", ["bash", "--norc", *sys.argv[1:]])
"""
SHELL_EXEC = " ".join(EXEC)


def _kill_with_children(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it has started, and wait for it."""
    left = [process.pid]
    with contextlib.suppress(psutil.NoSuchProcess):
        left += [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(PATIENCE)


def hears(*arguments: str) -> list[str]:
    """Return a command that tells each signal that it hears."""
    return [sys.executable, "-c", HEARS, *arguments]
