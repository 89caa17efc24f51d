"""Stop a small run at each step of the loop, in each way: no moment is a bad one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Run, Rung, Supervisor
from supervisor.testing import Said, calls
from tests.agents import Agent, Streaming, nested, scripted, team
from tests.unit.autogen.checks import assert_all_put_back, assert_goes_on, assert_settled, at_step

pytestmark = pytest.mark.one_loop

ANSWERS = 2
LAST = 120  # no run here has more steps than this
EVERY = 1 if "SOAK" in os.environ else 4


async def _tool() -> str:
    await asyncio.sleep(0)
    return "found"


def _tools() -> RoundRobinGroupChat:
    answers: list[Said] = [calls("_tool", "_tool"), "a b c"] * 8
    return team(scripted("caller", answers, _tool, streams=True), Streaming(), turns=ANSWERS)


TEAMS: dict[str, Callable[[], RoundRobinGroupChat]] = {
    "plain": lambda: team(Agent("a"), Agent("b"), turns=ANSWERS),
    "tools": _tools,
    "nested": lambda: nested(Streaming(), 3, turns=ANSWERS),
}
WAYS: dict[str, Callable[[Supervisor, Run, asyncio.Task[TaskResult]], object]] = {
    "stop": lambda sup, run, task: sup.stop("Enough"),
    "drain": lambda sup, run, task: sup.stop("Enough", Rung.DRAIN),
    "run.stop": lambda sup, run, task: run.stop("Enough"),
    "cancel": lambda sup, run, task: task.cancel(),
}


async def _stop_at(step: int, group: RoundRobinGroupChat, way: str, *, fast_path: bool) -> bool:
    """Stop a run of the team at a step; return whether it had ended before."""
    async with Supervisor(signals={}, fast_path=fast_path) as sup:
        run = sup.stream(group, "go")
        task = asyncio.create_task(run)
        at_step(step, lambda: WAYS[way](sup, run, task))
        await asyncio.wait([task])
        assert_settled(group)
    assert_all_put_back()
    if task.cancelled():
        return False
    result = task.result()
    return result.stop_reason != "Enough"


@pytest.mark.parametrize("fast_path", [True, False])
@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("kind", list(TEAMS))
async def test_stopped_at_every_step(kind: str, way: str, fast_path: bool) -> None:
    """At each moment of a stop, the run is settled, and the team's next run is whole."""
    asyncio.get_running_loop().set_debug(False)  # which takes a stack of each task
    found = asyncio.all_tasks()
    for step in range(0, LAST, EVERY):
        group = TEAMS[kind]()
        was_over = await _stop_at(step, group, way, fast_path=fast_path)
        assert asyncio.all_tasks() == found, f"at step {step}"
        await assert_goes_on(group, ANSWERS)
        if was_over:
            return
    pytest.fail(f"the run has more than {LAST} steps")
