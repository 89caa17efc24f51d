"""The autopsy: who is still at work as a stop runs out of time, and at which line.

For two readers: a block of text for a person, and the same as facts for a log.

A task is told by what it awaits: each coroutine knows the one that it waits for, down to the
innermost line of the user's (`Task.get_stack` knows the outermost only). One that waits for another
task of the list, or for the supervisor, refuses nothing and is left out; so are the frames of
asyncio, AutoGen and this package, which are the same in every report.

What is reported is bounded, for the report is made while the ladder goes on: of ten thousand tasks
the first twenty are looked into, and all are counted. Source lines are not shown: to read them
takes a disk. Everything here may be called from any thread; a task that goes on meanwhile is shown
at one of the lines that it was at.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, NamedTuple, TypeGuard

AnyTask = asyncio.Task[Any]

MOST: Final = 20
"""Of each kind, how many a report shows."""

_DEEPEST: Final = 10  # frames of one stack
_LONGEST: Final = 200  # awaits that are followed: more is a recursion, or a ring
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


class TaskInfo(NamedTuple):
    """A task, and what is known of it: there may be thousands.

    Args:
        task: The task.
        what: What it is to a person ("the body of the block").
        agent: On whose behalf it works.
        team: In which team.
        tool: In which tool it is.
        asked: Seconds since it was cancelled.
    """

    task: AnyTask
    what: str = ""
    agent: str | None = None
    team: str | None = None
    tool: str | None = None
    asked: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of a report, and a stack: a task, a process or a thread."""

    kind: str
    name: str
    what: str = ""
    agent: str | None = None
    team: str | None = None
    tool: str | None = None
    function: str | None = None
    """What a thread was given to do."""
    asked: float | None = None
    """Seconds since it was told to end."""
    age: float | None = None
    """Seconds since it has begun."""
    stack: Sequence[str] = ()
    """Functions with file and line, the innermost last."""

    def __str__(self) -> str:
        return "\n".join((f"  {self._title()}", *(f"    {line}" for line in self.stack)))

    def _title(self) -> str:
        # The run of a single agent has the agent's name, and no team.
        team = self.team if self.team != self.agent else None
        pairs = (("agent", self.agent), ("team", team))
        whose = [f"{kind} {name!r}" for kind, name in pairs if name is not None]
        parts = [
            " of ".join(whose) or f"{self.kind} {self.name}",
            self.what,
            f"in tool {self.tool!r}" if self.tool is not None else "",
            f"in {self.function}()" if self.function is not None else "",
            f"at work for {self.age:.1f} s" if self.age is not None else "",
            f"told to end {self.asked:.1f} s ago" if self.asked is not None else "",
        ]
        return ", ".join(part for part in parts if part)

    def facts(self) -> Mapping[str, Any]:
        """What is known of it, for a log."""
        return {
            name: value
            for name in self.__slots__
            if (value := getattr(self, name)) not in (None, "", ())
        }


@dataclass(frozen=True, slots=True)
class Findings:
    """Some of those that were found, and how many there are in all."""

    shown: Sequence[Finding] = ()
    count: int = 0

    def __add__(self, other: Findings) -> Findings:
        return Findings((*self.shown, *other.shown), self.count + other.count)

    def __str__(self) -> str:
        lines = [str(finding) for finding in self.shown]
        if more := self.count - len(self.shown):
            lines.append(f"  and {more:,} more, not shown")
        return "\n".join(lines)

    def facts(self) -> Sequence[Mapping[str, Any]]:
        """Each as facts for a log."""
        return [finding.facts() for finding in self.shown]


# -- tasks ----------------------------------------------------------------------------------------


def tasks(infos: Iterable[TaskInfo]) -> Findings:
    """Tell those that refuse, the first of them at which line.

    Args:
        infos: Tasks; what is known more about comes before what is known less about.
    """
    known: dict[AnyTask, TaskInfo] = {}
    for task_info in infos:
        if not task_info.task.done():
            known.setdefault(task_info.task, task_info)
    in_runs = [task for task, task_info in known.items() if task_info.team is not None]
    waiters = {other: task for task in in_runs for other in _awaited_tasks(task)}
    shown: list[Finding] = []
    count = len(known)
    for task_info in known.values():
        if len(shown) == MOST:
            break
        finding = _task(task_info, known, waiters)
        if finding is not None:
            shown.append(finding)
        else:
            count -= 1
    return Findings(shown, count)


def _task(
    task_info: TaskInfo, known: Mapping[AnyTask, TaskInfo], waiters: Mapping[AnyTask, AnyTask]
) -> Finding | None:
    if any(other in known for other in _awaited_tasks(task_info.task)):
        return None
    frames = frames_of(task_info.task)
    users = _users(frames)
    outward = list(_outward(task_info, known, waiters))
    tool = next((s.tool for s in outward if s.tool is not None), None)
    if not users and tool is None:
        return None  # a part of AutoGen's or ours, which waits for others
    if task_info.team is None and _waits_for_us(frames, users[-1]):
        return None
    return Finding(
        kind="task",
        name=task_info.task.get_name(),
        what=task_info.what,
        agent=next((s.agent for s in outward if s.agent is not None), None),
        team=task_info.team,
        tool=tool,
        asked=task_info.asked,
        stack=_places(users or frames[-1:]),
    )


def _outward(
    task_info: TaskInfo, known: Mapping[AnyTask, TaskInfo], waiters: Mapping[AnyTask, AnyTask]
) -> Iterator[TaskInfo]:
    """This one, and those that wait for it, in a row."""
    task: AnyTask | None = task_info.task
    for _ in range(_LONGEST):
        if task is None or task not in known:
            return
        yield known[task]
        task = waiters.get(task)


def _awaited_tasks(task: AnyTask) -> Iterable[AnyTask]:
    """The tasks that it waits for, directly or in `gather`; by private names, which are old."""
    awaited = getattr(task, "_fut_waiter", None)
    return [it for it in (awaited, *getattr(awaited, "_children", ())) if _is_task(it)]


def _is_task(thing: object) -> TypeGuard[AnyTask]:
    return isinstance(thing, asyncio.Task)


def _waits_for_us(frames: Sequence[FrameType], innermost: FrameType) -> bool:
    """Whether a task's innermost frame of the user's waits for this package."""
    below = frames[frames.index(innermost) + 1 :]
    return any(_package(frame) == "supervisor" for frame in below)


def stack(task: AnyTask) -> Sequence[str]:
    """The user's lines that a task is at, the innermost last; empty where it is at none."""
    return _places(_users(frames_of(task)))


def frames_of(task: AnyTask) -> list[FrameType]:
    """The frames of the coroutines that a task waits in, the innermost last."""
    running = _running_frames(task)
    if running is not None:
        return running
    frames: list[FrameType] = []
    awaited: Any = task.get_coro()
    for _ in range(_LONGEST):
        if awaited is None:
            break
        frame: FrameType | None = _first(awaited, "cr_frame", "ag_frame", "gi_frame")
        if frame is not None:
            frames.append(frame)
        waits_for = _first(awaited, "cr_await", "gi_yieldfrom", "ag_await")
        awaited = waits_for if waits_for is not None else _behind(awaited)
    return frames


def _running_frames(task: AnyTask) -> list[FrameType] | None:
    """Those of a task that runs now: its coroutines do not know each other meanwhile."""
    if asyncio.current_task(task.get_loop()) is not task:
        return None
    outermost = getattr(task.get_coro(), "cr_frame", None)
    for ident, innermost in _current_frames().items():
        frames = _of_thread(ident, innermost)
        if any(frame is outermost for frame in frames):
            return _within_loop(frames)
    return None


def _first(thing: object, *names: str) -> Any:
    return next(
        (value for name in names if (value := getattr(thing, name, None)) is not None), None
    )


def _behind(awaited: object) -> object | None:
    """The coroutine or generator behind an object that hides it, as `async for` makes them."""
    if not type(awaited).__name__.startswith(("async_generator_", "coroutine_wrapper")):
        return None
    held = gc.get_referents(awaited)
    return next((it for it in held if inspect.isasyncgen(it) or inspect.iscoroutine(it)), None)


# -- threads --------------------------------------------------------------------------------------


def threads(
    calls: Mapping[int, tuple[str, float]],
    others: Iterable[int] = (),
    told: Collection[Sequence[str]] = (),
) -> Findings:
    """Tell which threads are at work, and at which line.

    Args:
        calls: For threads of ours that do something for the user: what, and for how many seconds.
        others: More threads to look at; who waits in a pool, or a loop, is left out.
        told: Stacks that were told already, as those of tasks.
    """
    alive = {thread.ident: thread for thread in threading.enumerate()}
    names = {ident: thread.name for ident, thread in alive.items()}
    frames = _current_frames()
    idents = [*calls, *(ident for ident in others if ident not in calls)]
    found: list[Finding] = []
    for ident in idents:
        users = _users(_within_loop(_of_thread(ident, frames[ident]))) if ident in frames else []
        finding = _thread(names.get(ident, str(ident)), _places(users), calls.get(ident))
        if finding is None and ident in frames:
            finding = _in_c(alive.get(ident), frames[ident])
        if finding is not None and finding.stack not in told:
            found.append(finding)
    return Findings(found[:MOST], len(found))


def all_threads() -> Iterable[int]:
    """All threads that Python knows of."""
    return _current_frames().keys()


def _thread(name: str, stack: Sequence[str], call: tuple[str, float] | None) -> Finding | None:
    if call is not None:
        what, age = call
        return Finding(kind="thread", name=name, function=what, age=age, stack=stack)
    is_ours = name.startswith("supervisor-")
    return None if is_ours or not stack else Finding(kind="thread", name=name, stack=stack)


def _in_c(thread: threading.Thread | None, innermost: FrameType) -> Finding | None:
    """A thread that was given a function of C's, which has no frame."""
    if thread is None or thread.daemon or innermost.f_code is not threading.Thread.run.__code__:
        return None
    function = getattr(getattr(thread, "_target", None), "__qualname__", None)
    return Finding(kind="thread", name=thread.name, function=function)


def _current_frames() -> Mapping[int, FrameType]:
    # There is no other way; documented, in spite of its name.
    return sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]


def _of_thread(ident: int, innermost: FrameType) -> list[FrameType]:
    """A thread's frames, the innermost last, without the report's own."""
    frames: list[FrameType] = []
    frame: FrameType | None = innermost
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    if ident == threading.get_ident():
        while frames and _package(frames[0]) == "supervisor":
            del frames[0]
    return frames[::-1]


def _within_loop(frames: list[FrameType]) -> list[FrameType]:
    """What the innermost loop or pool has called: what is outside of it is at no work."""
    outside = [n for n, frame in enumerate(frames) if _package(frame) in _LOOPS]
    return frames[outside[-1] + 1 :] if outside else frames


# -- frames ---------------------------------------------------------------------------------------


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def _users(frames: Sequence[FrameType]) -> list[FrameType]:
    return [frame for frame in frames if _package(frame) not in _MACHINERY]


def _places(frames: Sequence[FrameType]) -> Sequence[str]:
    return tuple(
        f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"
        for frame in frames[-_DEEPEST:]
    )
