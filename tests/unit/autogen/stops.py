"""Stop runs at chosen moments: in an agent's answer, in a tool, before each step in turn."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import TextMessage
from autogen_core.models import LLMMessage

from supervisor import Rung, Supervisor
from supervisor.testing import ScriptedModel, Steps, answers_so_far, assert_settled
from supervisor.types import Runnable
from tests.unit.autogen.checks import assert_all_put_back
from tests.unit.testing.teams import (
    agent,
    filtered,
    graph,
    kept,
    nested,
    pair,
    selector,
    society,
    swarm,
)

R = TypeVar("R", bound=Runnable)

REASON = "Enough"


EACH_TEAM: dict[str, tuple[Callable[[], Runnable], int]] = {
    "agent": (lambda: agent("ann", streams=True), 1),
    "pair": (pair, 2),
    "selector": (selector, 3),
    "swarm": (swarm, 7),
    "graph": (graph, 7),
    "society": (society, 13),
    "filtered": (filtered, 5),
    "kept": (kept, 3),
    "nested": (nested, 17),
}
"""Teams of each class; and at how many steps apart a test stops them, to stay short."""


class Moment:
    """A point in a run where the first to come waits to be let go; later ones pass."""

    def __init__(self) -> None:
        self.is_there = asyncio.Event()
        self.let_go = asyncio.Event()

    async def wait(self) -> None:
        """Report being there, and wait to be let go."""
        if not self.is_there.is_set():
            self.is_there.set()
            await self.let_go.wait()


def speaker(name: str, moment: Moment | None = None, at: int = 0, **options: Any) -> AssistantAgent:
    """Make an agent that says its name and the number of its answer, with a strict model.

    Args:
        name: Its name.
        moment: Where it waits.
        at: In which answer.
        options: Of the `AssistantAgent`.
    """

    async def reply(messages: Sequence[LLMMessage]) -> str:
        number = answers_so_far(messages)
        if moment is not None and number == at:
            await moment.wait()
        return f"{name} {number}"

    options.setdefault("system_message", None)
    return AssistantAgent(name, ScriptedModel(reply, unique=True), **options)


def requests(agent: AssistantAgent) -> list[list[LLMMessage]]:
    """Return the transcripts that an agent's model was sent."""
    model = agent._model_client
    assert isinstance(model, ScriptedModel)
    return model.requests


def count(*agents: AssistantAgent) -> list[int]:
    """Return how many times the model of each agent was asked."""
    return [len(requests(each)) for each in agents]


async def stopped(
    team: Runnable,
    moment: Moment,
    rung: Rung = Rung.CANCEL,
    *,
    task: str | TextMessage | None = "go",
    **options: Any,
) -> TaskResult:
    """Run a team, stop it at a moment, and check that it is settled.

    Args:
        team: The team.
        moment: When; in DRAIN it is let go then.
        rung: How.
        task: What it is asked for.
        options: Of the run.
    """
    async with Supervisor(signals={}) as sup:
        running = asyncio.create_task(sup.stream(team, task, **options))
        reached = asyncio.create_task(moment.is_there.wait())
        await asyncio.wait([running, reached], return_when=asyncio.FIRST_COMPLETED)
        assert not running.done(), f"it ended before that moment: {running.result()}"
        await reached
        sup.stop(REASON, rung)
        if rung is Rung.DRAIN:
            await asyncio.sleep(0)
            moment.let_go.set()
        result = await running
    assert result.stop_reason == REASON
    assert_settled(team)
    assert_all_put_back()
    return result


async def go_on(team: Runnable, task: str | TextMessage | None = None) -> TaskResult:
    """Run a team under a supervisor, to its end."""
    async with Supervisor(signals={}) as sup:
        result = await sup.stream(team, task, timeout=10)
    assert result.stop_reason != "Stopped after 10 s", "it hangs"
    assert_settled(team)
    return result


async def stop_at(
    team: Runnable,
    step: int,
    *,
    rung: Rung = Rung.CANCEL,
    task: TextMessage | str | None = "go",
    **options: Any,
) -> TaskResult | None:
    """Run a team, and stop it before a step; return None where the run has ended before.

    Args:
        team: The team.
        step: The step, from 1.
        rung: How.
        task: What it is asked for.
        options: Of the run.
    """
    steps = Steps()
    async with Supervisor(signals={}) as sup:
        with steps:
            steps.before(step, functools.partial(sup.stop, REASON, rung))
            result = await sup.stream(team, task, **options)
    assert_settled(team)
    return result if steps.taken >= step else None


async def at_each_step(
    make: Callable[[], R],
    *,
    every: int = 1,
    **options: Any,
) -> AsyncGenerator[tuple[R, TaskResult], None]:
    """Yield a fresh team and its result, stopped before each step of its run in turn.

    Args:
        make: Makes the team.
        every: 1 for each step, 2 for every second one.
        options: Those of `stop_at`.
    """
    asyncio.get_running_loop().set_debug(False)  # which takes a stack of each task
    for step in itertools.count(1, every):
        team = make()
        result = await stop_at(team, step, **options)
        if result is None:
            return
        yield team, result
