"""Runs many command lines, each in a fork of a process that has all loaded.

A command may end its process, start others and change its signals, so it cannot run in the test's
process. To start Python for each would take most of the time.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SECONDS: Final = 20.0
_LARGEST: Final = 1_000_000
_LOADED: Final = (
    "argparse", "asyncio", "autogen_agentchat.agents", "autogen_agentchat.teams", "prompt_toolkit",
    "rich.console", "sqlite3", "structlog", "supervisor.testing", "uvloop", "yaml",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a command line has ended.

    Args:
        words: Its words.
        status: Its exit status, negative for a signal; None where it had to be killed.
        out: What it has written to stdout.
        err: What it has written to stderr.
    """

    words: Sequence[str]
    status: int | None
    out: str
    err: str


class CommandLines:
    """A process that runs command lines."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "tests.fuzz.command_lines", str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], start_new_session=True
            )
        self._file = ours.makefile("rw", encoding="utf-8", newline="\n")
        ours.close()

    def run(
        self,
        words: Sequence[str],
        *,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Ended:
        """Run one, without arguments that no process can have."""
        order = {
            "words": [*words],
            "folder": str(folder),
            "environ": dict(environ or {}),
            "stdin": stdin.hex(),
        }
        self._file.write(json.dumps(order) + "\n")
        self._file.flush()
        found: dict[str, Any] = json.loads(self._file.readline())
        return Ended(words, found["status"], found["out"], found["err"])

    def close(self) -> None:
        """End the process."""
        self._file.close()
        self._process.wait(SECONDS)


@contextlib.contextmanager
def command_lines() -> Generator[CommandLines]:
    """Have a process that runs command lines."""
    found = CommandLines()
    try:
        yield found
    finally:
        found.close()


def check(ended: Ended) -> None:
    """Assert that a command line has ended by itself, and has told in one line what was wrong."""
    assert ended.status is not None, f"it hangs: {ended}"
    assert 0 <= ended.status < 128, ended
    assert "Traceback" not in ended.out + ended.err, ended
    own = [line for line in ended.err.splitlines() if line.startswith("supervisor: ")]
    usage = [line for line in ended.err.splitlines() if line.startswith("usage: ")]
    if ended.status == 2:
        assert len(own) == 1 or not ended.words, ended
        assert len(usage) <= 1, ended


# -- in the process that runs them -----------------------------------------------------------------


def _serve(fd: int) -> None:
    for name in _LOADED:
        __import__(name)
    for name in ("run.command_line", "team_file", "stored_runs.store", "check.files"):
        __import__(f"supervisor._cli.{name}")
    os.environ["PYTHONSAFEPATH"] = "1"
    with socket.socket(fileno=fd) as ours, ours.makefile("rw", encoding="utf-8") as file:
        for line in file:
            file.write(json.dumps(_run(json.loads(line))) + "\n")
            file.flush()


def _run(order: Mapping[str, Any]) -> dict[str, Any]:
    files = [os.memfd_create(name) for name in ("in", "out", "err")]
    os.write(files[0], bytes.fromhex(order["stdin"]))
    os.lseek(files[0], 0, os.SEEK_SET)
    pid = os.fork()
    if pid == 0:
        _become(order, files)
    status = _wait(pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # what it has left behind
    if status is None:
        os.waitpid(pid, 0)
    out, err = (os.pread(fd, _LARGEST, 0).decode(errors="replace") for fd in files[1:])
    for fd in files:
        os.close(fd)
    return {"status": status, "out": out, "err": err}


def _wait(pid: int) -> int | None:
    deadline = time.monotonic() + SECONDS
    with contextlib.ExitStack() as unwind:
        pidfd = os.pidfd_open(pid)
        unwind.callback(os.close, pidfd)
        import select

        ready, _, _ = select.select([pidfd], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)


def _become(order: Mapping[str, Any], files: Sequence[int]) -> None:
    """Be the process of a command line; never return."""
    status = 70
    try:
        os.setsid()
        for fd, file in enumerate(files):
            os.dup2(file, fd)
        os.chdir(order["folder"])
        os.environ.update(order["environ"])
        sys.argv = ["autogen-supervisor", *order["words"]]
        sys.path.insert(0, "")
        from supervisor._cli.main import main

        main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(bool(error.code))
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
        status = 1
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
