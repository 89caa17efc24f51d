"""Conditions and selectors see what was said in a turn that another process goes on with."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent, SocietyOfMindAgent
from autogen_agentchat.base import TaskResult, TerminatedException, TerminationCondition
from autogen_agentchat.conditions import (
    FunctionCallTermination,
    MaxMessageTermination,
    TokenUsageTermination,
)
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, StopMessage
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat, SelectorGroupChat
from autogen_core.models import (
    CreateResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    RequestUsage,
)

from supervisor import Supervisor
from supervisor.testing import ScriptedModel, Steps, calls
from tests.seeds import seed
from tests.unit.autogen.checkpoints.keeping import words

pytestmark = pytest.mark.one_loop

MOST = 1000 if "SOAK" in os.environ else 4  # places in a run
Item = BaseAgentEvent | BaseChatMessage


class Counting(TerminationCondition):
    """Ends a team once it has seen so many messages.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.seen = 0

    @property
    def terminated(self) -> bool:
        """Whether it has."""
        return self.seen >= self.most

    async def __call__(self, messages: Sequence[Item]) -> StopMessage | None:
        """Count."""
        if self.terminated:
            raise TerminatedException
        self.seen += len(messages)
        if self.seen < self.most:
            return None
        return StopMessage(content=f"Seen {self.seen}.", source="counting")

    async def reset(self) -> None:
        """Count anew."""
        self.seen = 0


class Paid:
    """A tool that may be called again for the same call."""

    idempotent = True

    async def pay(self, amount: int) -> str:
        """Pay."""
        await asyncio.sleep(0)
        return f"paid {amount}"


def _answer(messages: Sequence[LLMMessage]) -> Any:
    is_paid = isinstance(messages[-1], FunctionExecutionResultMessage)
    return "Done." if is_paid else calls(("pay", {"amount": 7}))


class Metered(ScriptedModel):
    """A model that tells of ten tokens at each answer."""

    async def create(self, *args: Any, **options: Any) -> CreateResult:
        """Answer."""
        found = await super().create(*args, **options)
        usage = RequestUsage(prompt_tokens=5, completion_tokens=5)
        return found.model_copy(update={"usage": usage})


def _ann(name: str = "ann") -> AssistantAgent:
    tools: list[Any] = [Paid().pay]
    return AssistantAgent(name, Metered(_answer), tools=tools, reflect_on_tool_use=True)


def _ending(condition: TerminationCondition) -> BaseGroupChat:
    return RoundRobinGroupChat([_ann()], termination_condition=condition, max_turns=6)


def _selecting() -> BaseGroupChat:
    def select(thread: Sequence[Item]) -> str:
        return "ann" if len(thread) % 4 == 1 else "bob"

    model = ScriptedModel(lambda _: "ann")
    return SelectorGroupChat([_ann(), _ann("bob")], model, selector_func=select, max_turns=3)


def _inner() -> BaseGroupChat:
    inner = RoundRobinGroupChat([_ann()], termination_condition=Counting(6), name="inner")
    middle = RoundRobinGroupChat([inner], name="middle", max_turns=1)
    return RoundRobinGroupChat([middle], termination_condition=Counting(13))


def _society() -> BaseGroupChat:
    inner = RoundRobinGroupChat([_ann()], termination_condition=Counting(6), name="inner")
    member = SocietyOfMindAgent("soc", inner, ScriptedModel(lambda _: "In short."))
    return RoundRobinGroupChat([member], termination_condition=Counting(9))


TEAMS: dict[str, Callable[[], BaseGroupChat]] = {
    "function": lambda: _ending(FunctionCallTermination("pay")),
    "tokens": lambda: _ending(TokenUsageTermination(max_total_token=40)),
    "messages": lambda: _ending(MaxMessageTermination(7, include_agent_event=True)),
    "own": lambda: _ending(Counting(7)),
    "selector": _selecting,
    "inner": _inner,
    "society": _society,
}


@pytest.fixture(autouse=True)
async def _fast() -> None:
    asyncio.get_running_loop().set_debug(False)  # which takes a stack of each task


@pytest.mark.parametrize("kind", TEAMS)
async def test_a_run_that_goes_on_in_mid_turn_ends_as_a_whole_one(
    kind: str, tmp_path: Path
) -> None:
    """Stopped before any step: the same messages, each once, and the same reason."""
    url = f"sqlite:///{tmp_path}/runs.db"
    async with Supervisor(signals={}, checkpoints=url, idempotent={"pay"}) as sup:
        with Steps() as steps:
            whole = await sup.stream(TEAMS[kind](), "Go", id="whole")
        sample = random.Random(seed("CHECKPOINTS_SEED"))
        every = steps.taken // MOST or 1
        for step in range(2 + sample.randrange(every), steps.taken, every):
            again = sample.randrange(2, 30)  # it is interrupted once more as it goes on
            name = f"run {step} {again}"
            for stop in (step, again):
                await _stop_before(sup, stop, TEAMS[kind](), name)
            found = await sup.stream(TEAMS[kind](), id=name)
            _same(found, whole, name)


async def _stop_before(sup: Supervisor, step: int, team: BaseGroupChat, name: str) -> None:
    with Steps() as steps:
        run = sup.stream(team, "Go", id=name)
        steps.before(step, lambda: run.stop("enough"))
        await run


def _same(found: TaskResult, whole: TaskResult, where: str) -> None:
    assert words(found.messages) == words(whole.messages), where
    assert found.stop_reason == whole.stop_reason, where
    ids = [message.id for message in found.messages]
    assert len(ids) == len(set(ids)), where
