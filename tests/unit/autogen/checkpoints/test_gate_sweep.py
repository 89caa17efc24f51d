"""Stop a kept run before its steps, and go on in a fresh team: nothing has its effect twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import (
    AssistantAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    SocietyOfMindAgent,
    UserProxyAgent,
)
from autogen_agentchat.base import ChatAgent, Handoff, TaskResult, Team
from autogen_agentchat.messages import CodeExecutionEvent, ToolCallExecutionEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.tools import AgentTool
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock, CodeResult
from autogen_core.models import FunctionExecutionResultMessage, LLMMessage

from supervisor import Supervisor, current_call
from supervisor._autogen.checkpoints.calls.recalled import OPEN_CALL, OPEN_CODE
from supervisor.testing import ScriptedModel, Steps, calls
from tests.seeds import seed
from tests.unit.autogen.checkpoints.executors import Noting, executing

LAST = 1000  # no run here has more steps than this
CODE = "```python\nprint(42)\n```"


class Effects:
    """What has happened in a run, over all its owners."""

    def __init__(self) -> None:
        self.keys = Counter[str]()
        self.executed = 0
        self.asked = 0

    async def pay(self) -> str:
        """Pay."""
        return await self._note("pay")

    async def search(self) -> str:
        """Search, which may be done again."""
        return await self._note("search")

    async def _note(self, name: str) -> str:
        call = current_call()
        assert call is not None
        self.keys[f"{name} {call.idempotency_key}"] += 1
        await asyncio.sleep(0)
        return f"did {call.idempotency_key}"

    async def answer(self, _prompt: str, _token: object) -> str:
        """Answer a question, at once."""
        self.asked += 1
        return f"answer {self.asked}"


class Counting(Noting):
    """An executor that counts, and takes a step.

    Args:
        effects: Where it counts.
    """

    def __init__(self, effects: Effects) -> None:
        super().__init__([])
        self._effects = effects

    async def execute_code_blocks(
        self, code_blocks: list[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        """Count."""
        self._effects.executed += 1
        await asyncio.sleep(0)
        return CodeResult(exit_code=0, output=f"output {self._effects.executed}")


def _calling(*wanted: str, rounds: int = 1) -> ScriptedModel:
    """Return a model that makes these calls so often when it is spoken to, and then says so."""

    def answer(messages: Sequence[LLMMessage]) -> Any:
        own = 0
        for message in reversed(messages):
            if message.type == "UserMessage":
                break
            own += isinstance(message, FunctionExecutionResultMessage)
        return "Done." if own >= rounds else calls(*wanted)

    return ScriptedModel(answer)


def _parallel(effects: Effects) -> list[ChatAgent | Team]:
    tools: list[Any] = [effects.pay, effects.search]
    model = _calling("pay", "search", "pay")
    return [AssistantAgent("ann", model, tools=tools, handoffs=[Handoff(target="bob")])]


def _loops(effects: Effects) -> list[ChatAgent | Team]:
    model = _calling("pay", rounds=3)
    return [
        AssistantAgent(
            "ann", model, tools=[effects.pay], max_tool_iterations=4, reflect_on_tool_use=True
        )
    ]


def _within_a_tool(effects: Effects) -> list[ChatAgent | Team]:
    inner = AssistantAgent("bob", _calling("pay"), tools=[effects.pay])

    def answer(messages: Sequence[LLMMessage]) -> Any:
        is_over = isinstance(messages[-1], FunctionExecutionResultMessage)
        return "Done." if is_over else calls(("bob", {"task": "pay"}))

    return [AssistantAgent("ann", ScriptedModel(answer), tools=[AgentTool(inner)])]


def _code(effects: Effects) -> list[ChatAgent | Team]:
    def answer(messages: Sequence[LLMMessage]) -> str:
        return "Done." if messages[-1].source == "cod" else CODE  # type: ignore[union-attr]

    return [executing("cod", Counting(effects), ScriptedModel(answer))]


def _bare_code(effects: Effects) -> list[ChatAgent | Team]:
    return [executing("cod", Counting(effects))]


def _user(effects: Effects) -> list[ChatAgent | Team]:
    return [UserProxyAgent("user1", input_func=effects.answer)]


def _within_a_team(effects: Effects) -> list[ChatAgent | Team]:
    return [RoundRobinGroupChat([*_parallel(effects)], name="inner", max_turns=1)]


def _society(effects: Effects) -> list[ChatAgent | Team]:
    inner = RoundRobinGroupChat([*_parallel(effects)], name="inner", max_turns=2)
    return [SocietyOfMindAgent("soc", inner, ScriptedModel(lambda _: "In short."))]


def _filtered_user(effects: Effects) -> list[ChatAgent | Team]:
    user = UserProxyAgent("user1", input_func=effects.answer)
    everything = MessageFilterConfig(per_source=[])
    return [MessageFilterAgent("wrap", user, everything)]


TEAMS: dict[str, Callable[[Effects], list[ChatAgent | Team]]] = {
    "parallel": _parallel,
    "loops": _loops,
    "within a tool": _within_a_tool,
    "code": _code,
    "bare code": _bare_code,
    "user": _user,
    "filtered user": _filtered_user,
    "within a team": _within_a_team,
    "society": _society,
}


@pytest.fixture
async def sup(tmp_path: Path) -> AsyncGenerator[Supervisor]:
    """Return a supervisor with a store of its own."""
    url = f"sqlite:///{tmp_path}/runs.db"
    async with Supervisor(signals={}, checkpoints=url, idempotent={"search"}) as supervisor:
        yield supervisor


@pytest.mark.one_loop
@pytest.mark.parametrize("kind", TEAMS)
@pytest.mark.parametrize("every", [20, pytest.param(1, marks=[pytest.mark.soak])])
async def test_stopped_before_a_step(sup: Supervisor, kind: str, every: int) -> None:
    """No tool is called twice for a call, no code is executed twice, no user asked twice."""
    asyncio.get_running_loop().set_debug(False)  # which takes a stack of each task
    first = 1 + random.Random(seed("CHECKPOINTS_SEED")).randrange(every)
    for step in range(first, LAST, every):
        effects = Effects()
        was_stopped = await _stop_before(sup, step, TEAMS[kind](effects), f"run {step}")
        result = await sup.stream(_team(TEAMS[kind](effects)), id=f"run {step}")
        _check(effects, result, kind)
        if not was_stopped:
            return
    pytest.fail(f"the run has more than {LAST} steps")


def _team(members: list[ChatAgent | Team]) -> RoundRobinGroupChat:
    return RoundRobinGroupChat([*members], max_turns=2)


async def _stop_before(
    sup: Supervisor, step: int, members: list[ChatAgent | Team], run_id: str
) -> bool:
    with Steps() as steps:
        run = sup.stream(_team(members), CODE, id=run_id)
        steps.before(step, lambda: run.stop("enough"))
        await run
    return run.stop_request is not None


def _check(effects: Effects, result: TaskResult, kind: str) -> None:
    again = [line for line, count in effects.keys.items() if count > 1]
    assert all(line.startswith("search ") for line in again), again
    events = [m for m in result.messages if isinstance(m, ToolCallExecutionEvent)]
    answers = [answer.content for event in events for answer in event.content]
    if kind not in ("within a tool", "society"):  # the inner agent's are not shown
        keys = {line.partition(" ")[2] for line in effects.keys}
        answered = {it.removeprefix("did ") for it in answers if it.startswith("did ")}
        assert answered <= keys
        assert len(keys - answered) <= answers.count(OPEN_CALL)
    if kind == "code":
        outputs = [m.result.output for m in result.messages if isinstance(m, CodeExecutionEvent)]
        assert effects.executed <= len(outputs)
        assert effects.executed - outputs.count(OPEN_CODE) <= len(set(outputs) - {OPEN_CODE})
    if kind == "bare code":
        assert effects.executed <= 1
    if kind.endswith("user"):
        assert effects.asked == 2
