"""Code that is executed and answers of users: recorded, and not asked for twice."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from autogen_agentchat.agents import AssistantAgent, CodeExecutorAgent, UserProxyAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.tools import AgentTool
from autogen_core import CancellationToken

from supervisor import Supervisor
from supervisor._autogen.checkpoints.calls.gate import ToolGate
from supervisor._autogen.checkpoints.calls.recalled import OPEN_CODE
from supervisor._autogen.history.team_run import Turn
from supervisor._checkpoints.store import CallRecord
from supervisor.testing import ScriptedModel, calls
from tests.agents import scripted, team
from tests.unit.autogen.checkpoints.executors import Noting, executing
from tests.unit.autogen.checkpoints.gated import NotedRun, Recall, gated
from tests.unit.autogen.checks import contents

CODE = "```python\nprint(42)\n```"


async def _run(
    noted: NotedRun, *members: CodeExecutorAgent | UserProxyAgent, recall: Recall | None = None
) -> TaskResult:
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(*members, turns=len(members)), CODE)
        gated(run, noted, recall=recall)
        await run
    assert run.result is not None
    return run.result


def _coder(noted: NotedRun, *, has_model: bool = False) -> tuple[CodeExecutorAgent, Noting]:
    executor = Noting(noted.order)
    model = ScriptedModel([CODE, "Fine."]) if has_model else None
    return executing("cod", executor, model), executor


@pytest.mark.parametrize("has_model", [True, False])
async def test_code_is_recorded_before_it_is_executed_and_its_output_after(
    *, has_model: bool
) -> None:
    """It passes the gate like a tool, and knows its call."""
    noted = NotedRun()
    coder, executor = _coder(noted, has_model=has_model)
    await _run(noted, coder)
    assert noted.order == ["begun Noting", "durable", "called python", "ended"]
    [record] = noted.records
    assert (record.kind, record.agent, record.tool) == ("code", "cod", "Noting")
    assert json.loads(record.arguments) == [{"language": "python", "code": "print(42)\n"}]
    assert json.loads(noted.results[record.id]) == {"exit_code": 0, "output": "42"}
    [call] = executor.seen
    assert call is not None
    assert call.name == "Noting"
    assert "execute_code_blocks" not in vars(executor), "it is as it was"


async def test_code_that_is_cancelled_at_the_gate_was_not_executed() -> None:
    """Its record goes, and its turn is undone."""
    noted = NotedRun(writes=False)
    coder, executor = _coder(noted)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(coder, turns=1), CODE)
        gated(run, noted)
        reading = asyncio.ensure_future(run)
        await noted.is_asked.wait()
        run.stop("enough")
        result = await reading
    assert noted.dropped == [record.id for record in noted.records]
    assert not executor.seen
    assert contents(result) == [CODE]


async def test_code_of_a_run_that_is_not_kept_is_not_recorded() -> None:
    """Although another run, which is, has the same executor meanwhile."""
    noted = NotedRun()
    coder, executor = _coder(noted)

    async def execute_elsewhere() -> str:
        async with Supervisor(signals={}) as sup:
            await sup.stream(team(executing("eve", executor), turns=1), CODE)
        return "done"

    ann = scripted("ann", [calls("execute_elsewhere")], execute_elsewhere)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(ann, coder, turns=1), "go")
        gated(run, noted)
        await run
    assert [record.kind for record in noted.records] == ["tool"]
    assert executor.seen == [None]


async def test_code_that_a_tool_executes_is_not_recorded_once_more() -> None:
    """It belongs to the call of its tool."""
    noted = NotedRun()
    coder, executor = _coder(noted)

    async def compute() -> str:
        message = TextMessage(content=CODE, source="user")
        blocks = await coder.extract_code_blocks_from_messages([message])
        return (await coder.execute_code_block(blocks, CancellationToken())).output

    ann = scripted("ann", [calls("compute")], compute)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(ann, coder, turns=1), "go")
        gated(run, noted)
        await run
    assert [record.tool for record in noted.records] == ["compute"]
    assert [call.name for call in executor.seen if call is not None] == ["compute"]


@pytest.mark.parametrize("is_open", [True, False])
async def test_code_of_an_agent_without_a_model_is_not_executed_again(*, is_open: bool) -> None:
    """Its turn is redone with the output that was recorded; an open one reads "Interrupted"."""
    first = NotedRun()
    await _run(first, _coder(first)[0])
    record = first.records[0]
    record = replace(record, result=None if is_open else first.results[record.id])
    noted = NotedRun()
    coder, executor = _coder(noted)
    result = await _run(noted, coder, recall=lambda gate: gate.recall(Turn(coder), [record]))
    assert not executor.seen
    assert not noted.records
    assert contents(result)[-1] == (OPEN_CODE if is_open else "42")
    assert "execute_code_block" not in vars(coder), "it is as it was"


# -- answers ------------------------------------------------------------------------------------


class Typist:
    """Answers, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def answer(self, _prompt: str) -> str:
        """Answer."""
        self.asked += 1
        return f"answer {self.asked}"


async def _asked(
    noted: NotedRun, typist: Typist, known: list[CallRecord] | None = None
) -> list[str]:
    user = UserProxyAgent("user1", input_func=typist.answer)

    def recall(gate: ToolGate) -> None:
        gate.recall(Turn(user), known or [])

    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(user, turns=2), "go")
        gated(run, noted, recall=recall)
        await run
    assert run.result is not None
    return contents(run.result)[1:]


async def test_an_answer_is_recorded_with_its_question() -> None:
    """It has its result from the beginning."""
    noted = NotedRun()
    await _asked(noted, Typist())
    record = noted.records[0]
    assert (record.kind, record.agent) == ("input", "user1")
    assert json.loads(record.arguments) == "Enter your response: "
    assert json.loads(record.result or "") == "answer 1"


async def test_an_answer_within_a_tool_is_not_recorded() -> None:
    """It belongs to the call of its tool, which is made again as a whole or not at all."""
    noted, typist = NotedRun(), Typist()
    user = UserProxyAgent("user1", input_func=typist.answer)
    model = ScriptedModel([calls(("user1", {"task": "How many?"}))])
    ann = AssistantAgent("ann", model, tools=[AgentTool(user)])
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(ann, turns=1), "go")
        gated(run, noted)
        await run
    assert typist.asked == 1
    assert [record.kind for record in noted.records] == ["tool"]
    assert "answer 1" in noted.results[noted.records[0].id]


async def test_an_answer_is_given_back_once() -> None:
    """The user is not asked again in the turn that is redone, and is asked in the next."""
    first, typist = NotedRun(), Typist()
    await _asked(first, typist)
    noted = NotedRun()
    known = first.records[:1]
    assert await _asked(noted, typist, known) == ["answer 1", "answer 3"]
    assert len(noted.records) == 1


async def test_the_way_in_which_a_user_is_asked_is_put_back() -> None:
    """Nothing of an agent is replaced once the run is over."""
    user = UserProxyAgent("user1", input_func=Typist().answer)
    before = dict(vars(user))
    await _run(NotedRun(), user)
    assert vars(user) == before
