"""The autopsy: who refuses, and at which line of the user's."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import json
import threading
from collections.abc import AsyncGenerator, Awaitable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest

from supervisor import Supervisor
from supervisor._process import threads
from supervisor._process.threads import DaemonThreadPool
from supervisor._reports import stacks
from supervisor._reports.findings import MOST, Finding, TaskInfo
from supervisor._supervisor.at_work import gather


@contextlib.asynccontextmanager
async def at_work(*coros: Any) -> AsyncGenerator[list[asyncio.Task[Any]]]:
    """Tasks, each at its first wait; cancelled in the end."""
    tasks = [asyncio.ensure_future(coro) for coro in coros]
    await asyncio.sleep(0.01)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def told(*tasks: asyncio.Task[Any], **facts: Any) -> list[Finding]:
    """What the autopsy says of these."""
    return list(stacks.tasks(TaskInfo(task=task, **facts) for task in tasks).shown)


def innermost(finding: Finding) -> str:
    """The function that it is at."""
    return finding.stack[-1].partition(" (")[0]


async def waits() -> None:
    """Wait in asyncio."""
    await asyncio.wait_for(asyncio.Event().wait(), 60)


async def waits_below() -> None:
    """Wait in another coroutine of ours."""
    await waits()


async def yields_below() -> AsyncGenerator[int]:
    """Wait before the first item."""
    await waits_below()
    yield 1


async def iterates() -> None:
    """Wait for a generator."""
    async for _ in yields_below():
        pass


class Hidden:
    """An awaitable that hides its coroutine."""

    def __await__(self) -> Generator[Any, Any, None]:
        return waits_below().__await__()


class Generating:
    """An awaitable by a generator."""

    def __await__(self) -> Generator[Any, Any, None]:
        yield from waits_below().__await__()


async def awaits(thing: Awaitable[object]) -> None:
    """Wait for something."""
    await thing


# -- tasks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        waits,
        waits_below,
        iterates,
        lambda: awaits(Hidden()),
        lambda: awaits(Generating()),
        lambda: awaits(anext(yields_below())),
    ],
    ids=["coroutine", "nested", "async-for", "hidden", "generator", "anext"],
)
async def test_a_task_is_at_the_users_innermost_line(make: Any) -> None:
    """Through coroutines, generators and awaitables; what it waits for in asyncio is not said."""
    async with at_work(make()) as [task]:
        [finding] = told(task)
    assert innermost(finding) == "waits"
    assert __file__ in finding.stack[-1]


async def test_who_only_waits_for_another_one_is_left_out() -> None:
    """Of tasks that wait for each other in a row, by `await` or `gather`, the last is told."""
    async with (
        at_work(waits()) as [last],
        at_work(awaits(last), awaits(asyncio.gather(last))) as others,
    ):
        [finding] = told(*others, last)
        assert finding.name == last.get_name()


async def test_the_tool_is_told_that_it_waits_in() -> None:
    """Agent and tool are known of the task that calls; it is told of the one that it waits for."""
    async with at_work(waits()) as [work], at_work(awaits(work)) as [call]:
        tasks_at_work = [
            TaskInfo(task=call, team="team", agent="ann", tool="look_up"),
            TaskInfo(task=work, team="team"),
        ]
        [finding] = stacks.tasks(tasks_at_work).shown
    assert (finding.agent, finding.tool, innermost(finding)) == ("ann", "look_up", "waits")
    assert "agent 'ann' of team 'team', in tool 'look_up'" in str(finding)


async def test_an_agent_that_is_run_by_itself_has_no_team() -> None:
    """Its run has the agent's name, which is not said twice."""
    async with at_work(waits()) as [work]:
        [finding] = stacks.tasks([TaskInfo(task=work, team="ann", agent="ann")]).shown
    assert str(finding).splitlines()[0] == "  agent 'ann'"


async def test_ten_thousand_tasks_are_counted_and_some_are_told() -> None:
    """The report stays as long as a page."""
    asyncio.get_running_loop().set_debug(False)  # which takes 2 ms for each task
    async with at_work(*(waits() for _ in range(10_000))) as tasks:
        found = stacks.tasks(TaskInfo(task=task) for task in tasks)
    assert (len(found.shown), found.count) == (MOST, 10_000)
    assert str(found).endswith(f"and {10_000 - MOST:,} more, not shown")
    assert len(str(found)) < 10_000


async def test_who_waits_for_the_supervisor_refuses_nothing() -> None:
    """A body in `wait_stop` is not told; one at a line of its own is."""
    async with (
        Supervisor(signals={}) as sup,
        at_work(awaits(sup.wait_stop()), waits()) as [ours, theirs],
    ):
        assert [finding.name for finding in told(ours, theirs)] == [theirs.get_name()]


async def test_the_task_that_runs_is_told_by_its_thread() -> None:
    """A coroutine that runs knows nothing of the one that it has called."""

    async def outer() -> list[Finding]:
        return await inner()

    async def inner() -> list[Finding]:
        task = asyncio.current_task()
        assert task is not None
        return told(task)

    [finding] = await outer()
    text = str(finding)
    assert 0 < text.index("outer (") < text.index("inner (")


async def test_the_facts_are_fit_for_a_log() -> None:
    """Names and numbers, which JSON can hold; what is not known is not there."""
    async with at_work(waits()) as [task]:
        task.set_name("mule")
        [facts] = stacks.tasks([TaskInfo(task=task, asked=1.5)]).facts()
    assert json.loads(json.dumps(facts))["asked"] == 1.5
    assert set(facts) == {"kind", "name", "asked", "stack"}


# -- threads --------------------------------------------------------------------------------------


def holds(begun: threading.Event, may_end: threading.Event) -> None:
    """Work in a thread."""
    begun.set()
    may_end.wait(60)


@contextlib.asynccontextmanager
async def held_thread() -> AsyncGenerator[None]:
    """A thread of the loop's pool that is at work."""
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
    """Also of a function without a frame of its own."""
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
    """An idle pool's and a loop's; one of the user's that waits is told."""
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


def test_a_thread_in_a_function_without_a_frame_is_told() -> None:
    """One that the interpreter waits for, by what it was given; another one is not."""
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
    """What `to_thread` runs under a supervisor is found by the loop."""
    async with Supervisor(signals={}), held_thread():
        calls = threads.calls(asyncio.get_running_loop())
    assert "holds" in [what for what, _ in calls.values()]


# -- whatever goes wrong --------------------------------------------------------------------------


async def test_a_part_that_fails_does_not_fail_the_report() -> None:
    """It is a line of its own, and the other parts are there."""

    def tasks_at_work() -> Iterable[TaskInfo]:
        raise ZeroDivisionError

    async with Supervisor(signals={}), held_thread():
        found = gather(tasks_at_work, asyncio.get_running_loop())
    assert "ZeroDivisionError" in str(found)
    assert "in holds()" in str(found)
