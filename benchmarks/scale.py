"""How the time of a stop grows with the number of runs, idle tasks and threads.

Measured from the signal to the last `TaskResult`; each case is a process of its own.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import os
import signal
import statistics
import subprocess
import sys
import threading
import time

from benchmarks._bench import LOOPS, Streamer, result, team_of
from supervisor import Supervisor

ROUNDS = int(sys.argv[1]) if len(sys.argv) == 2 else 3
RUNS = (1, 10, 100, 1_000)
HOSTS = (
    # idle tasks, threads, whether AutoGen's MCP sessions are imported
    (0, 0, False),
    (1_000, 0, False),
    (10_000, 0, False),
    (10_000, 0, True),
    (0, 100, False),
)
_at: list[float] = []


def _press() -> None:
    time.sleep(0.3)  # all of them wait by then
    _at.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)


async def stop(runs: int, tasks: int, threads: int) -> float:
    """Return the seconds that it takes to stop so many runs."""
    idle = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(tasks)]
    for _ in range(threads):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    seconds = math.inf
    async with Supervisor() as sup:
        begun = [asyncio.Event() for _ in range(runs)]
        running = [asyncio.create_task(_read(sup, event)) for event in begun]
        for event in begun:
            await event.wait()
        threading.Thread(target=_press, daemon=True).start()
        await asyncio.gather(*running)
        seconds = time.perf_counter() - _at[0]
    for task in idle:
        task.cancel()
    return seconds


async def _read(sup: Supervisor, begun: asyncio.Event) -> None:
    stream = sup.stream(team_of(Streamer(3, pause=60.0)), "x")
    async for _ in stream:
        begun.set()
    assert (await stream).stop_reason == "Stopped by SIGINT"


def _inside(loop: str, runs: str, tasks: str, threads: str, mcp: str) -> None:
    if mcp == "True":
        importlib.import_module("autogen_ext.tools.mcp")
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        print(runner.run(stop(int(runs), int(tasks), int(threads))))


def _measure(*case: object) -> float:
    """Return the median of some rounds; infinity if the process did not end as it should."""
    command = [sys.executable, "-m", "benchmarks.scale", "inside", *map(str, case)]
    seconds: list[float] = []
    for _ in range(ROUNDS):
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if ended.returncode:
            print(f"{case}: status {ended.returncode} {ended.stderr[-500:]}", flush=True)
            return math.inf
        seconds.append(float(ended.stdout))
    return statistics.median(seconds)


def main() -> None:
    """Measure on both loops."""
    for loop in LOOPS:
        for tasks, threads, mcp in HOSTS:
            took = [_measure(loop, runs, tasks, threads, mcp) for runs in RUNS]
            host = f"{tasks:,} idle tasks, {threads} threads{', MCP imported' if mcp else ''}"
            figures = ", ".join(
                f"{runs:,}: {seconds * 1e3:.1f} ms"
                for runs, seconds in zip(RUNS, took, strict=True)
            )
            result(f"one signal stops so many runs, {host}, {loop}", figures)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        _inside(*sys.argv[2:])
    else:
        main()
