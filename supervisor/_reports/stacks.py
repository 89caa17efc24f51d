"""The stack report: which tasks and threads are still at work when a stop runs out of time.

A task that waits for another task of the list, or for the supervisor, refuses nothing and is left
out. So are the frames of asyncio, AutoGen and this package, which are the same in every report.

A report is bounded, for it is made while the ladder goes on: of ten thousand tasks the first twenty
are looked into, and all are counted. Everything here may be called from any thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import TypeGuard

from supervisor._reports.findings import MOST, Finding, Findings, TaskInfo
from supervisor._reports.frames import (
    LONGEST,
    AnyTask,
    current_frames,
    frames_of,
    frames_of_thread,
    lines_of,
    package,
    users_frames,
    within_loop,
)

# -- tasks ----------------------------------------------------------------------------------------


def tasks(infos: Iterable[TaskInfo]) -> Findings:
    """Find the tasks that refuse to end; the first of them with their stacks.

    Args:
        infos: Tasks. Of two infos on one task the first counts, so the fuller ones come first.
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


def stack(task: AnyTask) -> Sequence[str]:
    """Return the user's lines that a task is at, the innermost last; empty where there are none."""
    return lines_of(users_frames(frames_of(task)))


def describe(tasks: Iterable[AnyTask]) -> str:
    """Return what tasks are doing: for each, the innermost line of the user's code."""
    tasks = list(tasks)
    found = [lines for task in tasks if (lines := stack(task))]
    return ", ".join(dict.fromkeys(lines[-1] for lines in found) or [t.get_name() for t in tasks])


def _task(
    task_info: TaskInfo, known: Mapping[AnyTask, TaskInfo], waiters: Mapping[AnyTask, AnyTask]
) -> Finding | None:
    if any(other in known for other in _awaited_tasks(task_info.task)):
        return None
    frames = frames_of(task_info.task)
    users = users_frames(frames)
    outward = list(_outward(task_info, known, waiters))
    tool = next((it.tool for it in outward if it.tool is not None), None)
    if not users and tool is None:
        return None  # a part of AutoGen's or ours, which waits for others
    if task_info.team is None and _waits_for_us(frames, users[-1]):
        return None
    return Finding(
        kind="task",
        name=task_info.task.get_name(),
        what=task_info.what,
        agent=next((it.agent for it in outward if it.agent is not None), None),
        team=task_info.team,
        tool=tool,
        asked=task_info.asked,
        stack=lines_of(users or frames[-1:]),
    )


def _outward(
    task_info: TaskInfo, known: Mapping[AnyTask, TaskInfo], waiters: Mapping[AnyTask, AnyTask]
) -> Iterator[TaskInfo]:
    """Yield this task, the one that waits for it, and so on."""
    task: AnyTask | None = task_info.task
    for _ in range(LONGEST):
        if task is None or task not in known:
            return
        yield known[task]
        task = waiters.get(task)


def _awaited_tasks(task: AnyTask) -> Iterable[AnyTask]:
    """Return the tasks that a task waits for, directly or in `gather`; by old private names."""
    awaited = getattr(task, "_fut_waiter", None)
    return [it for it in (awaited, *getattr(awaited, "_children", ())) if _is_task(it)]


def _is_task(thing: object) -> TypeGuard[AnyTask]:
    return isinstance(thing, asyncio.Task)


def _waits_for_us(frames: Sequence[FrameType], innermost: FrameType) -> bool:
    """Return whether a task's innermost frame of the user's waits for this package."""
    below = frames[frames.index(innermost) + 1 :]
    return any(package(frame) == "supervisor" for frame in below)


# -- threads --------------------------------------------------------------------------------------


def threads(
    calls: Mapping[int, tuple[str, float]],
    others: Iterable[int] = (),
    reported: Collection[Sequence[str]] = (),
) -> Findings:
    """Find the threads that are at work, with their stacks.

    Args:
        calls: For threads of ours that do something for the user: what, and for how many seconds.
        others: More threads to look at; one that waits in a pool, or a loop, is left out.
        reported: Stacks that were reported already, as those of tasks.
    """
    alive = {thread.ident: thread for thread in threading.enumerate()}
    names = {ident: thread.name for ident, thread in alive.items()}
    frames = current_frames()
    idents = [*calls, *(ident for ident in others if ident not in calls)]
    found: list[Finding] = []
    for ident in idents:
        users = _work_of_thread(ident, frames[ident]) if ident in frames else []
        finding = _thread(names.get(ident, str(ident)), lines_of(users), calls.get(ident))
        if finding is None and ident in frames:
            finding = _in_c(alive.get(ident), frames[ident])
        if finding is not None and finding.stack not in reported:
            found.append(finding)
    return Findings(found[:MOST], len(found))


def all_threads() -> Iterable[int]:
    """Return all threads that Python knows of."""
    return current_frames().keys()


def _work_of_thread(ident: int, innermost: FrameType) -> list[FrameType]:
    return users_frames(within_loop(frames_of_thread(ident, innermost)))


def _thread(name: str, stack: Sequence[str], call: tuple[str, float] | None) -> Finding | None:
    if call is not None:
        what, age = call
        return Finding(kind="thread", name=name, function=what, age=age, stack=stack)
    is_ours = name.startswith("supervisor-")
    return None if is_ours or not stack else Finding(kind="thread", name=name, stack=stack)


def _in_c(thread: threading.Thread | None, innermost: FrameType) -> Finding | None:
    """Find a thread that was given a function of C's, which has no frame."""
    if thread is None or thread.daemon or innermost.f_code is not threading.Thread.run.__code__:
        return None
    function = getattr(getattr(thread, "_target", None), "__qualname__", None)
    return Finding(kind="thread", name=thread.name, function=function)
