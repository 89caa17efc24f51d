"""The report of what is still at work: made in bounded time, for a person and for the log.

It is made while a stop is under way, or at its forced end, and must neither delay that nor fail it.
So only a bounded number of things is looked into (`stacks.py`), another thread writes (`log.py`),
and what goes wrong is a line of the report.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from supervisor._process import threads
from supervisor._process.children import ChildProcesses
from supervisor._process.process_info import ProcessInfo
from supervisor._reports import log_events, stacks
from supervisor._reports.findings import MOST, Finding, Findings, TaskInfo
from supervisor._reports.log import reporter
from supervisor._reports.log_events import LogEvent

_TRIES: Final = 3  # what is looked at may change meanwhile, in another thread


def gather(
    infos: Callable[[], Iterable[TaskInfo]],
    loop: asyncio.AbstractEventLoop | None,
    children: ChildProcesses | None = None,
    *,
    whole: bool = False,
) -> Findings:
    """Find what is at work; from any thread.

    Args:
        infos: Returns the tasks that are known.
        loop: Whose tasks and threads to look at.
        children: The processes that the program has started.
        whole: Whether to look at the loop's other tasks, and all threads, as well.
    """
    found = _tried(lambda: stacks.tasks(itertools.chain(infos(), _others(loop, whole=whole))))
    told = _stacks(found)
    if children is not None:
        found += _tried(lambda: _known(children))
    others = stacks.all_threads() if whole else ()
    return found + _tried(lambda: stacks.threads(threads.calls(loop), others, told))


def blocker(
    infos: Callable[[], Iterable[TaskInfo]],
    loop: asyncio.AbstractEventLoop,
    thread: int | None,
) -> Findings:
    """Find what blocks a loop; from another thread.

    Args:
        infos: As for `gather`.
        loop: The loop.
        thread: The thread that it runs in.
    """
    task = asyncio.current_task(loop)
    found = _tried(lambda: stacks.tasks(it for it in infos() if it.task is task))
    others = () if thread is None else (thread,)
    return found + _tried(lambda: stacks.threads({}, others, _stacks(found)))


def killed(victims: Iterable[ProcessInfo]) -> Findings:
    """Return the processes that were killed, because they did not end when they were told to."""
    found = [Finding(kind="process", name=str(victim), what="killed") for victim in victims]
    return Findings(found[:MOST], len(found))


def tell(event: LogEvent, found: Findings, *, line: str, is_loud: bool, **facts: Any) -> None:
    """Report findings once in the log and once on stderr; wait for nothing.

    Args:
        event: What has happened, for the log.
        found: What is at work.
        line: What has happened, for a person.
        is_loud: Whether a stderr that is no terminal gets the text too.
        facts: More for the log.
    """
    text = f"{line}\n{found}" if found.count else line
    shown = None if is_loud else text
    reporter.event(event, line=shown, left=found.facts(), count=found.count, **facts)
    if is_loud:
        reporter.write(f"{text}\n")


def _stacks(found: Findings) -> Collection[Sequence[str]]:
    return {finding.stack for finding in found.shown}


def _others(loop: asyncio.AbstractEventLoop | None, *, whole: bool) -> Iterator[TaskInfo]:
    if loop is not None and whole:
        yield from (TaskInfo(task=task) for task in asyncio.all_tasks(loop))


def _known(children: ChildProcesses) -> Findings:
    alive, count = children.describe(MOST)
    shown = [Finding(kind="process", name=str(process)) for process in alive]
    return Findings(shown, count)


def _tried(part: Callable[[], Findings]) -> Findings:
    failure = ""
    for _ in range(_TRIES):
        try:
            return part()
        except Exception as error:  # noqa: BLE001 - a report must not fail what it reports on
            failure = type(error).__name__
    reporter.event(log_events.REPORT_FAILED, error=failure)
    return Findings((Finding(kind="report", name=f"of this part failed: {failure}"),), 1)
