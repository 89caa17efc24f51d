"""Frames: which lines a task or a thread is at, and which of them are the user's.

Each coroutine knows the one that it waits for, down to the innermost line of the user's;
`Task.get_stack` knows the outermost one only. Source lines are not read: that takes a disk.
Everything here may be called from any thread. A task that goes on meanwhile is shown at one of the
lines that it was at.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, Final

AnyTask = asyncio.Task[Any]

LONGEST: Final = 200
"""How many awaits in a row are followed: more is a recursion, or a cycle."""

_DEEPEST: Final = 10  # frames of one stack
_LOOPS: Final = frozenset({"asyncio", "uvloop", "supervisor"})
_MACHINERY: Final = _LOOPS | {
    "autogen_agentchat",
    "autogen_core",
    "concurrent",
    "contextlib",
    "queue",
    "selectors",
    "threading",
}


def frames_of(task: AnyTask) -> list[FrameType]:
    """Return the frames of the coroutines that a task waits in, the innermost last."""
    running = _running_frames(task)
    if running is not None:
        return running
    frames: list[FrameType] = []
    awaited: Any = task.get_coro()
    for _ in range(LONGEST):
        if awaited is None:
            break
        frame: FrameType | None = _first(awaited, "cr_frame", "ag_frame", "gi_frame")
        if frame is not None:
            frames.append(frame)
        waits_for = _first(awaited, "cr_await", "gi_yieldfrom", "ag_await")
        awaited = waits_for if waits_for is not None else _behind(awaited)
    return frames


def _running_frames(task: AnyTask) -> list[FrameType] | None:
    """Return the frames of a task that runs now: meanwhile its coroutines lose their links."""
    if asyncio.current_task(task.get_loop()) is not task:
        return None
    outermost = getattr(task.get_coro(), "cr_frame", None)
    for ident, innermost in current_frames().items():
        frames = frames_of_thread(ident, innermost)
        if any(frame is outermost for frame in frames):
            return within_loop(frames)
    return None


def _first(thing: object, *names: str) -> Any:
    return next(
        (value for name in names if (value := getattr(thing, name, None)) is not None), None
    )


def _behind(awaited: object) -> object | None:
    """Return the coroutine or generator that an object hides, as those of `async for` do."""
    if not type(awaited).__name__.startswith(("async_generator_", "coroutine_wrapper")):
        return None
    held = gc.get_referents(awaited)
    return next((it for it in held if inspect.isasyncgen(it) or inspect.iscoroutine(it)), None)


def current_frames() -> Mapping[int, FrameType]:
    """Return the innermost frame of each thread."""
    # There is no other way; documented, in spite of its name.
    return sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def frames_of_thread(ident: int, innermost: FrameType) -> list[FrameType]:
    """Return a thread's frames, the innermost last, without the report's own."""
    frames: list[FrameType] = []
    frame: FrameType | None = innermost
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    if ident == threading.get_ident():
        while frames and package(frames[0]) == "supervisor":
            del frames[0]
    return frames[::-1]


def within_loop(frames: list[FrameType]) -> list[FrameType]:
    """Return what the innermost loop or pool has called: the frames outside do no work."""
    outside = [n for n, frame in enumerate(frames) if package(frame) in _LOOPS]
    return frames[outside[-1] + 1 :] if outside else frames


def package(frame: FrameType) -> str:
    """Return the top-level package of a frame's code."""
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def users_frames(frames: Sequence[FrameType]) -> list[FrameType]:
    """Return the frames of the user's: not those of asyncio, AutoGen and this package."""
    return [frame for frame in frames if package(frame) not in _MACHINERY]


def lines_of(frames: Sequence[FrameType]) -> Sequence[str]:
    """Return each frame as its function, file and line; the innermost ones, if they are many."""
    return tuple(
        f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"
        for frame in frames[-_DEEPEST:]
    )
