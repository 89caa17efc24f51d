"""Small programs; a signal can come at each of their steps.

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
import itertools
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
from tests.process.agents import streamer
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
        self._end: Callable[[], None] = lambda: None
        if not at:
            atexit.register(lambda: tell("steps", lines=self._lines))

    def begin(self) -> None:
        """Count the steps from here on."""
        trace = _by_monitoring if sys.version_info >= (3, 12) else _by_tracing
        self._end = trace(self._step)

    def _step(self, code: CodeType, line: int | None) -> None:
        where = f"{code.co_qualname}:{line}"
        self._count += 1
        if not self._at:
            first, _ = self._lines.get(where, (self._count, 0))
            self._lines[where] = (first, self._count)
        elif self._count == self._at:
            self._end()
            tell("raised", line=where, handler=_whose(signal.getsignal(self._number)))
            signal.raise_signal(self._number)


_Step = Callable[[CodeType, int | None], None]


def _by_tracing(step: _Step) -> Callable[[], None]:
    """Call `step` at each step of our code in this thread; return what ends that."""

    def called(frame: FrameType, _event: str, _argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(_OURS):
            return None
        frame.f_trace_opcodes = True
        return traced

    def traced(frame: FrameType, event: str, _argument: object) -> Any:
        if event == "opcode" and frame.f_lasti in _steps_of(frame.f_code):
            step(frame.f_code, frame.f_lineno)
        return traced

    sys.settrace(called)
    return lambda: sys.settrace(None)


def _by_monitoring(step: _Step) -> Callable[[], None]:
    """Return the same where tracing no longer shows operations (Python 3.13.0)."""
    monitoring: Any = vars(sys)["monitoring"]  # from Python 3.12 on
    tool = 4  # none that the interpreter has a name for, as it has for debuggers
    thread = threading.get_ident()

    def reached(code: CodeType, offset: int) -> object:
        if not code.co_filename.startswith(_OURS) or offset not in _steps_of(code):
            return monitoring.DISABLE
        if threading.get_ident() == thread:
            step(code, sys._getframe(1).f_lineno)
        return None

    monitoring.use_tool_id(tool, "steps")
    monitoring.register_callback(tool, monitoring.events.INSTRUCTION, reached)
    monitoring.set_events(tool, monitoring.events.INSTRUCTION)
    return lambda: monitoring.set_events(tool, 0)


@functools.cache
def _steps_of(code: CodeType) -> frozenset[int]:
    """Return the offsets of operations that follow one at which signals are checked."""
    operations = list(dis.get_instructions(code))
    behind = {
        after.offset
        for before, after in itertools.pairwise(operations)
        if before.opname.startswith(_LOOKS) and before.opname != "JUMP_BACKWARD"
    }
    jumps = (each for each in operations if each.opname.startswith("JUMP_BACKWARD"))
    return frozenset(behind | {each.argval for each in jumps})


def _whose(handler: object) -> str:
    if type(getattr(handler, "__self__", None)).__name__ == "WakeupFd":
        return "ours"
    return "default" if handler is signal.SIG_DFL else "Python's"


async def _body(sup: Supervisor, steps: Steps, stopped_by: int | None) -> None:
    """Make the end wait for a task, and for a call in a thread."""
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
    """Count under `run`; end by itself, or be stopped by another signal before the steps begin."""
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
    """Do the same in a block."""
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
    """Take a long turn, under `run`."""

    async def main(sup: Supervisor) -> None:
        sup.on_stop(lambda request: tell("asked"))
        result = await sup.stream(streamer("quiet", agents.speaks("busy", LINGER)), task="go")
        tell("result", reason=result.stop_reason)

    run(main, ladder=LADDER, guard=guard)


def lingers() -> None:
    """Delay the interpreter's end by a thread, after a stop by a signal."""

    async def main(sup: Supervisor) -> None:
        threading.Thread(target=_tell_the_wait, name="lingerer").start()
        tell("busy")
        await sup.wait_stop()

    run(main, ladder=LADDER)


def held(*, by: str, loop: Any) -> None:
    """Come to the program's end, and be delayed there by what does not end."""
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
    """Report when the interpreter waits for this thread, and make it wait."""
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
