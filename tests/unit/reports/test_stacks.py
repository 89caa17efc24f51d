"""The stack report: which tasks and threads refuse to end, and at which line of the user's."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import threading
from collections.abc import AsyncGenerator, Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from supervisor import Supervisor
from supervisor._process import threads
from supervisor._process.threads import DaemonThreadPool
from supervisor._reports import stacks
from supervisor._reports.findings import MOST, TaskInfo
from supervisor._reports.frames import LONGEST
from supervisor._supervisor.at_work import gather
from tests.unit.reports.waiting_tasks import at_work, awaits, innermost, reported, waits

# -- tasks ----------------------------------------------------------------------------------------


async def test_a_task_that_only_waits_for_another_one_is_left_out() -> None:
    """Of tasks that wait for each other, by `await` or `gather`, only the last is reported."""
    async with (
        at_work(waits()) as [last],
        at_work(awaits(last), awaits(asyncio.gather(last))) as others,
    ):
        [finding] = reported(*others, last)
        assert finding.name == last.get_name()


async def test_a_task_is_reported_with_the_tool_that_waits_for_it() -> None:
    """The last of a row of tasks is reported with the agent and tool of the one that calls it."""
    async with at_work(waits()) as [work], at_work(awaits(work)) as [call]:
        tasks_at_work = [
            TaskInfo(task=call, team="team", agent="ann", tool="look_up"),
            TaskInfo(task=work, team="team"),
        ]
        [finding] = stacks.tasks(tasks_at_work).shown
    assert (finding.agent, finding.tool, innermost(finding)) == ("ann", "look_up", "waits")
    assert "agent 'ann' of team 'team', in tool 'look_up'" in str(finding)


async def test_of_a_long_row_of_tasks_the_nearest_are_looked_at() -> None:
    """However many tasks wait for one another, the last is reported, in bounded time."""
    row = [asyncio.create_task(waits())]
    for _ in range(LONGEST):
        row.append(asyncio.create_task(awaits(row[-1])))
    await asyncio.sleep(0)
    infos = [TaskInfo(task=task, team="team") for task in row]
    found: list[tuple[str, str | None]] = []
    for place in (-1, -2):
        infos[place] = TaskInfo(task=row[place], team="team", tool="look_up")
        found += [(finding.name, finding.tool) for finding in stacks.tasks(infos).shown]
    assert found == [(row[0].get_name(), None), (row[0].get_name(), "look_up")]
    row[-1].cancel()
    await asyncio.wait(row)


async def test_ten_thousand_tasks_are_counted_and_some_are_shown() -> None:
    """Of ten thousand tasks all are counted, and the report stays as long as a page."""
    asyncio.get_running_loop().set_debug(False)  # which takes 2 ms for each task
    async with at_work(*(waits() for _ in range(10_000))) as tasks:
        found = stacks.tasks(TaskInfo(task=task) for task in tasks)
    assert (len(found.shown), found.count) == (MOST, 10_000)
    assert str(found).endswith(f"and {10_000 - MOST:,} more, not shown")
    assert len(str(found)) < 10_000


async def test_a_task_that_waits_for_the_supervisor_is_left_out() -> None:
    """A body in `wait_stop` is left out; one at a line of its own is reported."""
    async with (
        Supervisor(signals={}) as sup,
        at_work(awaits(sup.wait_stop()), waits()) as [ours, theirs],
    ):
        assert [finding.name for finding in reported(ours, theirs)] == [theirs.get_name()]


# -- threads --------------------------------------------------------------------------------------


def holds(begun: threading.Event, may_end: threading.Event) -> None:
    """Work in a thread."""
    begun.set()
    may_end.wait(60)


@contextlib.asynccontextmanager
async def held_thread() -> AsyncGenerator[None]:
    """Have a thread of the loop's pool at work."""
    begun, may_end = threading.Event(), threading.Event()
    task = asyncio.create_task(asyncio.to_thread(holds, begun, may_end))
    try:
        await asyncio.to_thread(begun.wait, 60)
        yield
    finally:
        may_end.set()
        await task


@pytest.mark.blocks
@pytest.mark.parametrize("is_bare", [False, True])
def test_a_call_in_a_thread_has_a_function_and_an_age(is_bare: bool) -> None:
    """A call in a thread is reported by function and age, also without a frame of its own."""
    begun, may_end = threading.Event(), threading.Event()
    work = may_end.wait if is_bare else functools.partial(holds, begun, may_end)
    with DaemonThreadPool() as pool:
        pool.submit(contextvars.copy_context().run, work)  # as `to_thread` does
        if is_bare:
            pool.submit(begun.set)
        begun.wait(60)
        calls = pool.calls()
        found = [*stacks.threads(calls).shown]
        may_end.set()
    finding = found[0]
    assert finding.function == ("Event.wait" if is_bare else "holds")
    assert finding.age is not None
    assert 0 <= finding.age < 60
    assert list(finding.stack) == [] if is_bare else innermost(finding) == "holds"


def test_threads_that_do_nothing_are_left_out() -> None:
    """Idle threads of pools and loops are left out; a user's thread that waits is reported."""
    begun, may_end = threading.Event(), threading.Event()
    thread = threading.Thread(target=holds, args=(begun, may_end), name="theirs")
    with ThreadPoolExecutor() as stock, DaemonThreadPool() as ours:
        stock.submit(int).result()
        ours.submit(int).result()
        thread.start()
        begun.wait(60)
        found = stacks.threads({}, stacks.all_threads())
        may_end.set()
        thread.join()
    names = [finding.name for finding in found.shown]
    assert "theirs" in names
    assert not [name for name in names if "Executor" in name or "executor" in name]


def test_a_thread_in_a_function_without_a_frame_is_reported() -> None:
    """A non-daemon thread in a C function is reported by the function; a daemon is not."""
    queue = SimpleQueue[None]()
    made = [
        threading.Thread(target=queue.get, name=name, daemon=is_daemon)
        for name, is_daemon in (("held", False), ("left", True))
    ]
    for thread in made:
        thread.start()
    found = stacks.threads({}, stacks.all_threads())
    for _ in made:
        queue.put(None)
    for thread in made:
        thread.join()
    functions = {finding.name: finding.function for finding in found.shown}
    assert functions["held"] == "SimpleQueue.get"
    assert "left" not in functions


async def test_the_loops_threads_are_known() -> None:
    """A call of `to_thread` under a supervisor is found by the loop."""
    async with Supervisor(signals={}), held_thread():
        calls = threads.calls(asyncio.get_running_loop())
    assert "holds" in [what for what, _ in calls.values()]


# -- whatever goes wrong --------------------------------------------------------------------------


async def test_a_part_that_fails_does_not_fail_the_report() -> None:
    """A part of the report that fails is one line of it, and the other parts are there."""

    def tasks_at_work() -> Iterable[TaskInfo]:
        raise ZeroDivisionError

    async with Supervisor(signals={}), held_thread():
        found = gather(tasks_at_work, asyncio.get_running_loop())
    assert "ZeroDivisionError" in str(found)
    assert "in holds()" in str(found)


async def test_a_dump_shows_what_is_at_work() -> None:
    """`dump` returns each task with its stack, at any time; the body too."""
    async with Supervisor(signals={}) as sup:
        task = sup.spawn(asyncio.sleep(0), name="short")
        report = sup.dump()
        await task
    assert ", the body of the block\n" in report
    assert "test_a_dump_shows_what_is_at_work (" in report
    assert "Supervisor open" in report
