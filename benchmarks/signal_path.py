"""The way of a signal through the package: how many calls, and through how many modules.

Each try is a process of its own, in a session of its own: one team waits for its model, one SIGINT
comes from outside while the loop sleeps, and a profiler (`sys.setprofile`, in all threads) notes
what the package does from that moment on.

What is counted:

- *calls*: of the package's own Python functions. The resumption of a coroutine is one, and so is a
  comprehension (in Python 3.11; later versions inline those). No other calls are counted.
- *stays*: calls in the same module that follow each other are one stay. A caller in another module
  has a new one as soon as it calls something of its own again. Each thread is counted by itself.
- *changes*: the same, but each return to a caller in another module begins a new stay, too.
- *modules*: how many different ones.

Up to which point:

- *the run's cancel*: the entry of the last function named `cancel` that is given a `StopRequest`,
  before the first task is cancelled;
- *the last task.cancel()*: the last one in that step of the loop in which the first one is made.

The signal wakes both the loop and the watchdog's thread, and whichever is first does the work. Two
cases are measured. In *the loop first*, the watchdog is held until the run has ended; the figures
are the same each time. In *as it comes*, nothing is held: who was first is printed, and the figures
are the sum of both threads.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import supervisor
from benchmarks._bench import Streamer, result, team_of
from supervisor import StopRequest, Supervisor

_PACKAGE = f"{Path(supervisor.__file__).parent}{os.sep}"
_LOOP_FIRST, _AS_IT_COMES = "the loop first", "as it comes"
TRIES = int(sys.argv[1]) if sys.argv[1:] and sys.argv[1].isdigit() else 7


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that the profiler has seen.

    Args:
        thread: In which thread.
        module: The module that is worked in from then on; empty outside of the package.
        kind: A "call", a "return", a "stop" (the call of a `cancel` with a request), or a
            "cancellation" of a task.
        at: The `time.monotonic()` of it.
    """

    at: float
    thread: int
    module: str
    kind: str


@dataclass
class Profiler:
    """Notes the package's steps; other threads work only while `may_pass` is set."""

    steps: list[Step] = field(default_factory=list[Step])
    may_pass: threading.Event = field(default_factory=threading.Event)

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        """Take what the interpreter tells."""
        module = _module_of(frame)
        if not module:
            return
        if threading.current_thread() is not threading.main_thread():
            self.may_pass.wait(5)
        if event == "call":
            self._note(module, "stop" if _is_stop(frame) else "call")
        elif event == "return":
            self._note(_module_below(frame), "return")
        elif event == "c_call" and _is_cancellation(arg):
            self._note(module, "cancellation")

    def _note(self, module: str, kind: str) -> None:
        at, thread = time.monotonic(), threading.get_ident()
        self.steps.append(Step(at=at, thread=thread, module=module, kind=kind))


def _module_of(frame: FrameType) -> str:
    name = frame.f_code.co_filename
    return name.removeprefix(_PACKAGE) if name.startswith(_PACKAGE) else ""


def _module_below(frame: FrameType) -> str:
    caller = frame.f_back
    while caller is not None and not _module_of(caller):
        caller = caller.f_back
    return _module_of(caller) if caller is not None else ""


def _is_stop(frame: FrameType) -> bool:
    if frame.f_code.co_name != "cancel":
        return False
    return any(isinstance(value, StopRequest) for value in frame.f_locals.values())


def _is_cancellation(function: Any) -> bool:
    return function.__name__ == "cancel" and isinstance(function.__self__, asyncio.Task)


@dataclass(frozen=True, kw_only=True)
class Way:
    """What a part of the steps comes to."""

    calls: int
    stays: int
    changes: int
    modules: int
    most: str
    threads: int

    @classmethod
    def of(cls, steps: Sequence[Step]) -> Way:
        """Count the steps."""
        calls = [step for step in steps if step.kind in ("call", "stop")]
        stays = Counter(_stays(calls))
        return cls(
            calls=len(calls),
            stays=stays.total(),
            changes=len([*_stays(steps)]),
            modules=len(stays),
            most=", ".join(f"{module} {times}" for module, times in stays.most_common(5)),
            threads=len({step.thread for step in steps}),
        )


def _stays(steps: Iterable[Step]) -> Iterator[str]:
    inside = [step for step in steps if step.module]
    for thread in {step.thread for step in inside}:
        modules = (step.module for step in inside if step.thread == thread)
        yield from (module for module, _ in itertools.groupby(modules))


def _ways(steps: Sequence[Step]) -> dict[str, Way]:
    """Return what there is between the signal and each of the two points."""
    first = next(at for at, step in enumerate(steps) if step.kind == "cancellation")
    stop = max(at for at, step in enumerate(steps[:first]) if step.kind == "stop")
    last = first
    for at, step in enumerate(steps[first:], first):
        if step.thread == steps[first].thread:
            if not step.module:
                break
            if step.kind == "cancellation":
                last = at
    return {
        "the run's cancel": Way.of(steps[: stop + 1]),
        "the last task.cancel()": Way.of(steps[: last + 1]),
    }


async def _be_stopped(case: str) -> None:
    """Be the process that is stopped: say when it is time, and what the way was then."""
    profiler = Profiler()
    profiler.may_pass.set()

    def be_ready() -> None:
        if case == _LOOP_FIRST:
            profiler.may_pass.clear()
        print("ready", flush=True)

    threading.setprofile(profiler)
    async with Supervisor() as sup:
        run = sup.stream(team_of(Streamer(1, pause=30.0)), "work")
        async for event in run:
            if getattr(event, "source", "") != "user" and not sys.getprofile():
                sys.setprofile(profiler)
                asyncio.get_running_loop().call_later(0.05, be_ready)
        sys.setprofile(None)
        profiler.may_pass.set()
        sent = float(sys.stdin.readline())
        ways = _ways([step for step in profiler.steps if step.at >= sent])
        print(json.dumps({to: vars(found) for to, found in ways.items()}), flush=True)


def _try(case: str) -> dict[str, Way]:
    command = [sys.executable, __file__, case]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(0.02)  # the loop is asleep by then
            sent = time.monotonic()
            child.send_signal(signal.SIGINT)
            said, _ = child.communicate(f"{sent}\n", timeout=10)
        finally:
            child.kill()
    return {to: Way(**each) for to, each in json.loads(said).items()}


def main() -> None:
    """Try several times, and print what came of it."""
    for case, times in ((_LOOP_FIRST, TRIES // 2 or 1), (_AS_IT_COMES, TRIES)):
        tries = [_try(case) for _ in range(times)]
        for to in tries[0]:
            alone = [each[to] for each in tries if each[to].threads == 1]
            shared = [each[to] for each in tries if each[to].threads > 1]
            for who, found in (("the loop alone", alone), ("with the watchdog", shared)):
                if found:
                    how = f"{case}, {who} ({len(found)} of {times})"
                    result(f"signal to {to}, {how}", _told(found))


def _told(ways: Sequence[Way]) -> str:
    calls, stays, changes, modules = (
        f"{statistics.median(getattr(way, name) for way in ways):g}"
        for name in ("calls", "stays", "changes", "modules")
    )
    figures = f"{calls} calls, {stays} stays in {modules} modules ({changes} changes)"
    return f"median {figures}; the most stays: {ways[0].most}"


if __name__ == "__main__":
    if sys.argv[1:] in ([_LOOP_FIRST], [_AS_IT_COMES]):
        asyncio.run(_be_stopped(sys.argv[1]))
    else:
        main()
