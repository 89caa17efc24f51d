"""Children, started in each way of Python's, and their handlers, wakeup fd, mask and files.

Imports little: a child that is spawned imports this module anew.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.as_found import Snapshot

METHODS = ("os.fork", "fork", "forkserver", "spawn")
_LIFE = 20  # seconds after which a child ends by itself, whatever goes wrong


@dataclass(frozen=True)
class StartedChild:
    """A child, and what it has reported of itself."""

    pid: int
    state: dict[str, Any]
    wait: Callable[[], int | None]

    def end(self) -> int | None:
        """Send it SIGTERM; returns its status."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait()


def start(how: str) -> StartedChild:
    """Start a child by `os.fork`, or by a start method of multiprocessing."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    pid, wait = _fork(theirs) if how == "os.fork" else _process(how, theirs)
    theirs.close()
    with ours:
        return StartedChild(pid, json.loads(ours.recv_bytes()), wait)


def _fork(theirs: Connection) -> tuple[int, Callable[[], int]]:
    pid = os.fork()
    if pid == 0:
        try:
            _live(theirs)
        finally:
            os._exit(99)
    return pid, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _process(how: str, theirs: Connection) -> tuple[int, Callable[[], int | None]]:
    context: Any = multiprocessing.get_context(how)
    child = context.Process(target=_live, args=(theirs,), daemon=True)
    child.start()

    def wait() -> int | None:
        child.join()
        status: int | None = child.exitcode
        return status

    return child.pid, wait


def _live(connection: Connection) -> None:
    """Report what the child has, and wait for its end."""
    signal.alarm(_LIFE)
    connection.send_bytes(json.dumps(_state()).encode())
    while True:
        signal.pause()


def _state() -> dict[str, Any]:
    found = Snapshot.take()
    files = [_kind(entry) for entry in Path("/proc/self/fd").iterdir() if os.path.lexists(entry)]
    return {
        "handlers": {str(int(n)): _name(handler) for n, handler in found.handlers.items()},
        "kernel masks": found.kernel_masks,
        "blocked": sorted(found.blocked),
        "wakeup fd": found.wakeup_fd != -1,
        "files": dict(Counter(files)),
        "switch interval": sys.getswitchinterval(),
    }


def _kind(entry: Path) -> str:
    link = str(entry.readlink())
    return "file" if link.startswith("/") else link.partition(":")[0]


def _name(handler: object) -> str:
    return str(getattr(handler, "__qualname__", handler))
