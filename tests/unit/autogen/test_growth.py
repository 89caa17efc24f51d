"""How a stop grows: no function of ours takes more than twice as long for twice as many runs.

Counted in lines that are executed from the request to the last result, by each function: a
measurement that a slow machine does not change.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken, SingleThreadedAgentRuntime

import supervisor
from supervisor import Ladder, Rung, Supervisor
from supervisor._signals import registry
from supervisor._supervisor import block, pending_results
from tests.agents import FOREVER, Deaf, team

# A trace function makes everything slow.
pytestmark = [pytest.mark.blocks, pytest.mark.one_loop]

Lines = Counter[CodeType]
Runs = list[Awaitable[TaskResult]]

_OURS = str(Path(supervisor.__file__).parent)
_PATIENT = Ladder(
    drain=FOREVER, cancel=FOREVER, abandon=FOREVER
)  # no second strike where it is slow
_SLACK = 30  # lines: of what happens once, whatever the number


class _Lines:
    """The lines of ours that this thread executes from `start` to `stop`, by function."""

    def __init__(self) -> None:
        self.of: Counter[CodeType] = Counter()
        self._found = sys.gettrace()

    def start(self) -> None:
        """Count from here on."""
        gc.collect()  # what other tests have left behind is not finalized meanwhile
        sys.settrace(self._enter)

    def stop(self) -> None:
        """Put back the trace function that was found: coverage has one."""
        sys.settrace(self._found)

    def _enter(self, frame: FrameType, *_: object) -> Any:
        return self._count if frame.f_code.co_filename.startswith(_OURS) else None

    def _count(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            self.of[frame.f_code] += 1
        return self._count


class _EndsLate(Deaf):
    """An agent that needs so many steps of the loop to end."""

    steps = 0

    async def work(self, token: CancellationToken) -> None:
        """Wait; then end step by step."""
        try:
            await asyncio.sleep(FOREVER)
        finally:
            for _ in range(self.steps):
                await asyncio.sleep(0)


def _awaited(sup: Supervisor, agents: list[_EndsLate]) -> Runs:
    return [asyncio.create_task(sup.stream(team(agent), "x")) for agent in agents]


def _iterated(sup: Supervisor, agents: list[_EndsLate]) -> Runs:
    async def read(agent: _EndsLate) -> TaskResult:
        run = sup.stream(team(agent), "x")
        async for _ in run:
            pass
        return await run

    return [asyncio.create_task(read(agent)) for agent in agents]


def _one_by_one(sup: Supervisor, agents: list[_EndsLate]) -> Runs:
    for number, agent in enumerate(agents):
        agent.steps = 3 * number
    return [sup.spawn(_wait(sup, agent)) for agent in agents]


async def _wait(sup: Supervisor, agent: _EndsLate) -> TaskResult:
    return await sup.stream(team(agent), "x")


def _with_a_supervisor_each(_: Supervisor, agents: list[_EndsLate]) -> Runs:
    async def nested(agent: _EndsLate) -> TaskResult:
        async with Supervisor(signals={}, ladder=_PATIENT) as sup:
            return await sup.stream(team(agent), "x")
        raise AssertionError("the block went on to its return")

    return [asyncio.create_task(nested(agent)) for agent in agents]


def _on_one_runtime(sup: Supervisor, agents: list[_EndsLate]) -> Runs:
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    teams = [RoundRobinGroupChat([agent], runtime=runtime) for agent in agents]

    async def all_of_them() -> TaskResult:
        results = await asyncio.gather(*(sup.stream(each, "x") for each in teams))
        await runtime.stop()
        return results[0]

    return [asyncio.create_task(all_of_them())]


Start = Callable[[Supervisor, list[_EndsLate]], Runs]


async def _stopped(start: Start, count: int, *rungs: Rung) -> Lines:
    """Stop so many runs, and return what that has cost."""
    agents, lines = [_EndsLate() for _ in range(count)], _Lines()
    try:
        async with Supervisor(signals={}, ladder=_PATIENT) as sup:
            running = start(sup, agents)
            for agent in agents:
                await agent.is_working.wait()
            lines.start()
            for rung in rungs or (Rung.CANCEL,):
                sup.stop("Enough", rung)
        results = await asyncio.gather(*running)
    finally:
        lines.stop()
    assert {result.stop_reason for result in results} == {"Enough"}
    return lines.of


def _grown(*found: Lines) -> list[str]:
    """Return the functions whose cost grows faster than the number, which is doubled each time."""
    few, more, many = found
    return [
        f"{code.co_qualname}: {few[code]}, {more[code]}, {many[code]} lines"
        for code in many
        if many[code] - more[code] > 2.4 * max(more[code] - few[code], 0) + _SLACK
    ]


@pytest.fixture(autouse=True)
def _only_steps_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevent events by the clock, MCP sessions and debuggers."""
    monkeypatch.setattr(block, "_BEAT_SECONDS", FOREVER)
    monkeypatch.setattr(pending_results, "_READ_SECONDS", FOREVER)
    monkeypatch.setattr(registry, "_TRACED_SECONDS", FOREVER)
    monkeypatch.delitem(sys.modules, "autogen_ext.tools.mcp._actor", raising=False)


@pytest.mark.parametrize(
    "start", [_awaited, _iterated, _one_by_one, _with_a_supervisor_each, _on_one_runtime]
)
async def test_twice_as_many_runs_take_twice_as_long(start: Start) -> None:
    """A stop's cost is linear in its runs: awaited, iterated, leaving, nested, on one runtime."""
    assert not _grown(*[await _stopped(start, count) for count in (5, 10, 20)])


async def test_a_stop_that_begins_with_drain_is_linear_too() -> None:
    """A stop's cost is linear also where it begins with DRAIN."""
    rungs = (Rung.DRAIN, Rung.CANCEL)
    assert not _grown(*[await _stopped(_awaited, count, *rungs) for count in (5, 10, 20)])


async def test_idle_tasks_and_threads_cost_nothing() -> None:
    """A thousand idle tasks and a hundred threads of the host add nothing to a stop's cost."""
    alone = await _stopped(_awaited, 10)
    is_over = threading.Event()
    threads = [threading.Thread(target=is_over.wait) for _ in range(100)]
    for thread in threads:
        thread.start()
    idle = [asyncio.create_task(asyncio.sleep(FOREVER)) for _ in range(1_000)]
    beside = await _stopped(_awaited, 10)
    is_over.set()
    for thread in threads:
        thread.join()
    for task in idle:
        task.cancel()
    await asyncio.wait(idle)
    assert abs(beside.total() - alone.total()) < _SLACK
