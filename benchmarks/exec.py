"""The cost of the processes beside a program, `exec` and the guard, compared with Python alone."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from supervisor._signals import guard

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 40
_ROOT = Path(__file__).parent.parent
_EXEC = [sys.executable, "-m", "supervisor", "exec", "--"]


def seconds_of(command: Sequence[str]) -> float:
    """Return the seconds from the start of a command to its end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, cwd=_ROOT)
    return time.perf_counter() - began


def memory_of(command: Sequence[str]) -> tuple[float, float]:
    """Return the megabytes of a command that waits: all resident memory, and its own."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=_ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = psutil.Process(process.pid).memory_full_info()
        process.terminate()
    return found.rss / 2**20, found.uss / 2**20


def main() -> None:
    """Measure both in turn."""
    alone: list[float] = []
    more: list[float] = []
    for _ in range(ROUNDS):
        alone.append(seconds_of([sys.executable, "-c", "pass"]))
        more.append(seconds_of([*_EXEC, "true"]))
    for what, seconds in (("python -c pass", alone), ("exec -- true", more)):
        print(f"RESULT start and end of {what}: median {statistics.median(seconds) * 1e3:.1f} ms")
    sleeper = "import time; print('up', flush=True); time.sleep(60)"
    for what, command in (
        ("python", [sys.executable, "-c", sleeper]),
        ("exec", [*_EXEC, "sh", "-c", "echo up; exec sleep 60"]),
    ):
        rss, uss = memory_of(command)
        print(f"RESULT memory of {what}: {rss:.1f} MB resident, {uss:.1f} MB its own")

    measure_guard()


def measure_guard() -> None:
    """Measure for how long starting a guard blocks, and its memory."""
    seconds: list[float] = []
    wakeup, _writer = socket.socketpair()
    for _ in range(ROUNDS):
        began = time.perf_counter()
        started = guard.Guard(wakeup.fileno())
        seconds.append(time.perf_counter() - began)
        started.stop()
    started = guard.Guard(wakeup.fileno())
    time.sleep(0.2)
    processes = psutil.process_iter(["cmdline"])
    words = {guard.SCRIPT, str(os.getpid())}
    (found,) = [each for each in processes if words <= set(each.info["cmdline"] or [])]
    memory = found.memory_full_info()
    started.stop()
    print(f"RESULT start of the guard: median {statistics.median(seconds) * 1e3:.1f} ms")
    rss, uss = memory.rss / 2**20, memory.uss / 2**20
    print(f"RESULT memory of the guard: {rss:.1f} MB resident, {uss:.1f} MB its own")


if __name__ == "__main__":
    main()
