"""Small programs, each step of which can be the moment of a signal.

A step is a place in the supervisor's code at which the main thread runs signal handlers: behind a
call, on entering a function, at a loop's jump back, and nowhere else. The signal is raised right
there, so a step that fails can be tried again.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import dis
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import supervisor
from supervisor import Supervisor, run
from tests.process import agents, scenarios
from tests.process.agents import Worker
from tests.process.scenarios import LADDER, LINGER
from tests.process.server import tell

_OURS = str(Path(supervisor.__file__).parent)
_LOOKS = ("CALL", "JUMP_BACKWARD", "RESUME")  # behind these the interpreter looks for signals


class Steps:
    """Counts the steps from `begin()` on, and raises a signal at one of them.

    Tells where it has, and in the end which lines there were: for each the first and the last step
    in it.

    Args:
        at: The step; 0 for none.
        number: The signal.
    """

    def __init__(self, at: int, number: int) -> None:
        self._at = at
        self._number = number
        self._count = 0
        self._lines: dict[str, tuple[int, int]] = {}
        if not at:
            atexit.register(lambda: tell("steps", lines=self._lines))

    def begin(self) -> None:
        """Count in what is called from here on."""
        sys.settrace(self._called)

    def _called(self, frame: FrameType, _event: str, _argument: object) -> _Frame | None:
        if not frame.f_code.co_filename.startswith(_OURS):
            return None
        frame.f_trace_opcodes = True
        return _Frame(frame.f_code, self._step)

    def _step(self, line: str) -> None:
        self._count += 1
        if not self._at:
            first, _ = self._lines.get(line, (self._count, 0))
            self._lines[line] = (first, self._count)
        elif self._count == self._at:
            sys.settrace(None)
            tell("raised", line=line, handler=_whose(signal.getsignal(self._number)))
            signal.raise_signal(self._number)


class _Frame:
    """Traces one call of a function; calls back at each step."""

    def __init__(self, code: CodeType, step: Callable[[str], None]) -> None:
        self._operations = _operations(code)
        self._step = step
        self._last = ""

    def __call__(self, frame: FrameType, event: str, _argument: object) -> _Frame:
        if event == "opcode":
            last, self._last = self._last, self._operations[frame.f_lasti // 2]
            if last.startswith(_LOOKS):
                self._step(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        return self


@functools.cache
def _operations(code: CodeType) -> list[str]:
    return [dis.opname[number] for number in code.co_code[::2]]


def _whose(handler: object) -> str:
    if type(getattr(handler, "__self__", None)).__name__ == "Bridge":
        return "ours"
    return "default" if handler is signal.SIG_DFL else "Python's"


async def _body(sup: Supervisor, steps: Steps, stopped_by: int | None) -> None:
    """The end has to wait for a task, and for a call in a thread."""
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.01)
    if stopped_by is None:
        sup.spawn(asyncio.sleep(0.005))
        return
    steps.begin()
    os.kill(os.getpid(), stopped_by)
    await sup.wait_stop()


def steps_under_run(
    *, loop: Any, number: int, at: int, stopped_by: int | None = None, guard: bool = False
) -> None:
    """Under `run`; ends by itself, or is stopped by another signal before the steps begin."""
    steps = Steps(at, number)

    async def main(sup: Supervisor) -> None:
        await _body(sup, steps, stopped_by)

    def program() -> None:
        if stopped_by is None:
            steps.begin()
        run(main, loop=loop, ladder=LADDER, guard=guard)

    _tell_changes(program)


def steps_in_block(
    *, loop: str, number: int, at: int, stopped_by: int | None = None, guard: bool = False
) -> None:
    """In a block; the same."""
    steps = Steps(at, number)
    sup = Supervisor(ladder=LADDER, guard=guard)

    async def main() -> None:
        if stopped_by is None:
            steps.begin()
        async with sup:
            await _body(sup, steps, stopped_by)

    def program() -> None:
        with asyncio.Runner(loop_factory=scenarios.loop_factory(loop)) as runner:
            runner.run(main())

    _tell_changes(program)
    sys.exit(sup.exit_status)


def _tell_changes(program: Callable[[], None]) -> None:
    found = scenarios._found()
    try:
        program()
    finally:
        tell("left", changed=scenarios._changes(found, scenarios._found()))


def suspended(*, guard: bool) -> None:
    """A turn that lasts, under `run`."""

    async def main(sup: Supervisor) -> None:
        sup.on_stop(lambda request: tell("asked"))
        result = await sup.stream(Worker("quiet", agents.speaks("busy", LINGER)), task="go")
        tell("result", reason=result.stop_reason)

    run(main, ladder=LADDER, guard=guard)


def lingers() -> None:
    """A thread holds the interpreter's end, after a stop by a signal."""

    async def main(sup: Supervisor) -> None:
        threading.Thread(target=_tell_the_wait, name="lingerer").start()
        tell("busy")
        await sup.wait_stop()

    run(main, ladder=LADDER)


def held(*, by: str, loop: Any) -> None:
    """A program that comes to its end, and is held there by what does not end."""
    kept: list[object] = []

    async def main(sup: Supervisor) -> None:
        generator = _generates()
        if by == "thread":
            asyncio.get_running_loop().run_in_executor(None, time.sleep, LINGER)
        elif by == "spawned task":
            sup.spawn(_refuses())
        elif by == "task":
            kept.append(asyncio.create_task(_refuses()))
        else:
            kept.append(generator)
            await anext(generator)
        await asyncio.sleep(0)
        tell("busy")

    run(main, loop=loop, ladder=LADDER)


async def _refuses() -> None:
    """Cannot be cancelled."""
    end = time.monotonic() + LINGER
    while time.monotonic() < end:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(LINGER)


async def _generates() -> AsyncGenerator[None]:
    """Cannot be closed."""
    try:
        yield
    finally:
        await _refuses()


def _tell_the_wait() -> None:
    """Tell when the interpreter waits for this thread, and have it wait."""
    main = threading.main_thread().ident or 0
    frame: FrameType | None = None
    while frame is None or frame.f_code.co_name != "_shutdown":
        time.sleep(0.005)
        frame = sys._current_frames().get(main)  # none: between Python and its end
    tell("waiting")
    time.sleep(LINGER)


PROGRAMS: Mapping[str, Callable[..., None]] = {
    function.__name__: function
    for function in (steps_under_run, steps_in_block, suspended, lingers, held)
}
