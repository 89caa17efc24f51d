"""Microsoft's Agent Framework under `sup.iterate`: its streams end with all that they started."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from agent_framework import (
    AgentResponseUpdate,
    AgentSession,
    Content,
    InMemoryCheckpointStorage,
    ResponseStream,
    WorkflowEvent,
)

from examples.workflows import agent, ends_superstep, report
from supervisor import Run, Rung, Supervisor
from supervisor.testing import Steps

REPORT = (
    "Tides: the sea rises twice a day, and falls twice. "
    "Twice a day the sea comes, twice it goes. "
    "The sea comes and goes, twice a day. "
)
WORDS = len(REPORT.split())
SUPERSTEPS = 3

Event = WorkflowEvent[Any]
Reports = Run[Event, list[Event]]


def _text(events: list[Event]) -> str:
    updates = [event.data for event in events if isinstance(event.data, AgentResponseUpdate)]
    return "".join(update.text for update in updates)


def _made(events: list[Event]) -> int:
    return sum(ends_superstep(event) for event in events)


async def _goes_on(storage: InMemoryCheckpointStorage) -> str:
    """Return what the workflow still says when it goes on from its newest checkpoint."""
    kept = await storage.get_latest(workflow_name="report")
    workflow = report(storage, seconds=0.0)
    if kept is None:
        return _text([event async for event in workflow.run("Tides", stream=True)])
    return _text(
        [event async for event in workflow.run(stream=True, checkpoint_id=kept.checkpoint_id)]
    )


async def _is_resumable(storage: InMemoryCheckpointStorage) -> bool:
    """Return whether it goes on with whole supersteps, and says the rest of the report."""
    rest = await _goes_on(storage)
    return REPORT.endswith(rest) and (not rest or rest[0] == rest[0].upper())


class Tasks:
    """The tasks that are there while the block is open and were not before."""

    def __init__(self) -> None:
        self._found = asyncio.all_tasks()

    def left(self) -> set[asyncio.Task[Any]]:
        """Return them."""
        return asyncio.all_tasks() - self._found


# -- left in each way ---------------------------------------------------------------------------


async def test_by_itself_it_leaves_tasks_behind() -> None:
    """This is why: after `break` three tasks of the framework stay, until its `close()`."""
    workflow = report(InMemoryCheckpointStorage(), seconds=60)
    tasks = Tasks()
    stream = workflow.run("Tides", stream=True)
    async for event in stream:
        if event.type == "executor_invoked":
            break
    assert len(tasks.left()) == 3
    await stream.close()
    assert not tasks.left()


Way = Callable[[Supervisor, Reports, "asyncio.Task[Any]"], object]

WAYS: dict[str, Way] = {
    "run.stop": lambda sup, run, reader: run.stop("Enough"),
    "run.drain": lambda sup, run, reader: run.drain("Enough"),
    "sup.stop": lambda sup, run, reader: sup.stop("Enough"),
    "DRAIN": lambda sup, run, reader: sup.stop("Enough", Rung.DRAIN),
    "cancelled": lambda sup, run, reader: reader.cancel(),
    "SIGINT": lambda sup, run, reader: os.kill(os.getpid(), signal.SIGINT),
    "SIGTERM": lambda sup, run, reader: os.kill(os.getpid(), signal.SIGTERM),
}


def _one_by_default(steps: Iterable[int], usual: int) -> list[Any]:
    """Return all steps; those that are not the usual one are for the soak."""
    return [it if it == usual else pytest.param(it, marks=pytest.mark.soak) for it in steps]


async def _reads(run: Reports, seen: list[Event], act: Callable[[Event], object]) -> None:
    async for event in run:
        seen.append(event)
        act(event)


@pytest.mark.parametrize("step", _one_by_default(range(1, SUPERSTEPS + 1), 2))
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_stopped_in_each_superstep(way: Way, step: int) -> None:
    """Nothing of it is left, what was yielded is there, and the newest checkpoint goes on."""
    storage, tasks, seen = InMemoryCheckpointStorage(), Tasks(), list[Event]()
    async with Supervisor() as sup:
        run = sup.iterate(report(storage, seconds=0.001).run("Tides", stream=True))

        def act(event: Event) -> None:
            if event.type == "output" and _made(seen) == step - 1 and run.stop_request is None:
                way(sup, run, reader)

        reader = asyncio.create_task(_reads(run, seen, act))
        await asyncio.wait([reader])
        await run.aclose()
        assert tasks.left() == set()
    assert run.error is None
    assert _made(seen) == step - 1
    assert REPORT.startswith(_text(seen))
    assert _text(seen) != REPORT
    assert await _is_resumable(storage)


async def test_left_by_break() -> None:
    """`break` ends it as well, once the block, or `aclose`, has waited for it."""
    tasks = Tasks()
    async with Supervisor() as sup:
        run = sup.iterate(
            report(InMemoryCheckpointStorage(), seconds=0.001).run("Tides", stream=True)
        )
        async for event in run:
            if event.type == "output":
                break
        await run.aclose()
        assert tasks.left() == set()
    assert run.error is None


async def test_a_time_limit() -> None:
    """A model that is silent: the time limit ends the run, and it can go on."""
    storage, tasks = InMemoryCheckpointStorage(), Tasks()
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(report(storage, seconds=60).run("Tides", stream=True), timeout=0.05)
        seen: list[Event] = await run
        assert tasks.left() == set()
    assert run.stop_request is not None
    assert run.stop_request.reason == "Stopped after 0.05 s"
    assert _text(seen) == ""  # how far it came depends on the machine
    assert await _goes_on(storage) == REPORT


async def test_drain_finishes_the_superstep() -> None:
    """With a boundary, SIGTERM lets the superstep end and write its checkpoint; no word is lost."""
    storage, seen = InMemoryCheckpointStorage(), list[Event]()
    async with Supervisor() as sup:
        stream = report(storage, seconds=0.001).run("Tides", stream=True)
        run = sup.iterate(stream, boundary=ends_superstep)

        def act(event: Event) -> None:
            if event.type == "output" and _made(seen) == 1 and run.stop_request is None:
                os.kill(os.getpid(), signal.SIGTERM)

        await _reads(run, seen, act)
    assert run.is_drained
    assert (_made(seen), ends_superstep(seen[-1])) == (2, True)
    assert _text(seen) + await _goes_on(storage) == REPORT


@pytest.mark.parametrize("each", [29, pytest.param(1, marks=pytest.mark.soak)])
async def test_stopped_before_each_step(each: int) -> None:
    """Wherever a stop comes, nothing is left, nothing fails, and the rest can be had."""
    async with Supervisor(signals={}) as sup:
        with Steps() as steps:
            stream = report(InMemoryCheckpointStorage(), seconds=0.0).run("Tides", stream=True)
            assert _text(await sup.iterate(stream)) == REPORT
    assert steps.taken > WORDS
    for step in range(1, steps.taken + 1, each):
        await _stops_before(step)


async def _stops_before(step: int) -> None:
    storage, tasks = InMemoryCheckpointStorage(), Tasks()
    async with Supervisor(signals={}) as sup:
        with Steps() as steps:
            run = sup.iterate(report(storage, seconds=0.0).run("Tides", stream=True))
            steps.before(step, lambda: run.stop("Enough"))
            seen = await run
        assert tasks.left() == set(), step
    assert run.error is None, step
    assert REPORT.startswith(_text(seen)), step
    assert await _is_resumable(storage), step


# -- an agent -----------------------------------------------------------------------------------


def _call() -> Content:
    return Content.from_function_call("1", "dig", arguments={"depth": 3})


async def test_an_agent_with_a_tool_in_flight() -> None:
    """The tool is cancelled, and nothing is left."""
    tasks, ended = Tasks(), list[int]()

    async def dig(depth: int) -> str:
        """Dig."""
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(depth)
        return "A hole."

    async with Supervisor() as sup:
        digger = agent("digger", _call(), "Done.", tools=[dig])
        run = sup.iterate(digger.run("Dig", stream=True))
        async for _ in run:
            asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
        assert tasks.left() == set()
    assert ended == [3]
    assert run.error is None
    assert run.stop_request is not None
    assert run.stop_request.signal == signal.SIGINT


async def test_its_history_is_the_user_s_to_put_back() -> None:
    """A stop may leave a call without a result in a session; a copy of before goes on."""

    async def dig(depth: int) -> str:
        """Dig."""
        return "A hole."

    digger = agent("digger", _call(), "Done.", tools=[dig])
    session = digger.create_session()
    before = session.to_dict()
    async with Supervisor(signals={}) as sup:
        run = sup.iterate(digger.run("Dig", stream=True, session=session))
        async for _ in run:
            run.stop("Enough")  # the item is the call
        with pytest.raises(Exception, match="no result of"):
            await sup.iterate(digger.run("Go on", stream=True, session=session))
        again = AgentSession.from_dict(before)
        said: list[AgentResponseUpdate] = await sup.iterate(
            digger.run("Dig", stream=True, session=again)
        )
    assert "".join(update.text for update in said) == "Done. "


def test_its_stream_is_closed_by_close() -> None:
    """This is what `iterate` goes by: there is a `close()`, and no `aclose()`."""
    assert hasattr(ResponseStream, "close")
    assert not hasattr(ResponseStream, "aclose")
