"""What the processes beside a program cost: `exec` in front of it, and the guard.

The subjects take turns; each start is a fresh process.

Cases:

- `start`: from the start of a process to its end: `python` (`python -c pass`) and `exec`
  (`python -m supervisor exec -- true`).
- `start/guard`: for how long the start of a guard holds its caller up.
- `memory` and `own-memory` of each, while it waits: all resident memory, and what it does not share
  with other processes.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

import psutil

from benchmarks._record import Record, record
from benchmarks._script import Effort, main, rotated
from scripts.project import ROOT
from supervisor._signals import guard

ROUNDS: Final = 20
_EXEC: Final = [sys.executable, "-m", "supervisor", "exec", "--"]
_STARTS: Final = {"python": [sys.executable, "-c", "pass"], "exec": [*_EXEC, "true"]}
_SLEEPER: Final = "import time; print('up', flush=True); time.sleep(60)"
_WAITING: Final = {
    "python": [sys.executable, "-c", _SLEEPER],
    "exec": [*_EXEC, "sh", "-c", "echo up; exec sleep 60"],
}


def seconds_of(command: Sequence[str]) -> float:
    """Return the seconds from the start of a command to its end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT)
    return time.perf_counter() - began


def memory_of(command: Sequence[str]) -> tuple[int, int]:
    """Return the bytes of a command that waits: all resident memory, and its own."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = psutil.Process(process.pid).memory_full_info()
        process.terminate()
    return found.rss, found.uss


def seconds_of_guard() -> float:
    """Return for how long starting a guard holds its caller up."""
    wakeup, writer = socket.socketpair()
    with wakeup, writer:
        began = time.perf_counter()
        started = guard.Guard(wakeup.fileno())
        took = time.perf_counter() - began
        started.stop()
    return took


def memory_of_guard() -> tuple[int, int]:
    """Return the bytes of a guard."""
    wakeup, writer = socket.socketpair()
    with wakeup, writer:
        started = guard.Guard(wakeup.fileno())
        time.sleep(0.2)
        words = {guard.SCRIPT, str(os.getpid())}
        processes = psutil.process_iter(["cmdline"])
        (found,) = [each for each in processes if words <= set(each.info["cmdline"] or [])]
        memory = found.memory_full_info()
        started.stop()
    return memory.rss, memory.uss


def measure(effort: Effort) -> Iterator[Record]:
    """Measure all of it."""
    took: dict[str, list[float]] = {name: [] for name in (*_STARTS, "guard")}
    for number in range(effort.rounds(ROUNDS)):
        for name in rotated([*took], number):
            took[name].append(seconds_of(_STARTS[name]) if name in _STARTS else seconds_of_guard())
    for name, seconds in took.items():
        yield record(("processes", "start", name, ""), seconds)
    memory = {name: memory_of(command) for name, command in _WAITING.items()}
    for name, (all_of_it, own) in {**memory, "guard": memory_of_guard()}.items():
        yield record(("processes", "memory", name, ""), [all_of_it], unit="B")
        yield record(("processes", "own-memory", name, ""), [own], unit="B")


if __name__ == "__main__":
    main(__name__, measure)
