"""Contract tests: what tasks do, and what they work on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.teams import BaseGroupChat
from autogen_core import CancellationToken, SingleThreadedAgentRuntime
from autogen_core._single_threaded_agent_runtime import (
    PublishMessageEnvelope,
    ResponseMessageEnvelope,
    SendMessageEnvelope,
)
from autogen_core.models import FunctionExecutionResult

from supervisor._autogen import upstream
from supervisor._autogen.kinds import CALL, HANDLER, SELECTION
from supervisor._autogen.upstream import HANDLER_ERROR
from supervisor.testing import ScriptedModel, calls
from supervisor.testing import calls as wanted
from tests.agents import Agent, Failing, Gate, scripted, team
from tests.unit.autogen.upstream.parts import group_after_a_run, manager_of, names_of, tasks_created
from tests.unit.testing.teams import graph, selector, swarm


async def test_a_failed_handler_is_logged_in_these_words(caplog: pytest.LogCaptureFixture) -> None:
    """The runtime's record about a handler that raised begins with `HANDLER_ERROR`."""
    with caplog.at_level(logging.ERROR, "autogen_core"), pytest.raises(RuntimeError):
        await team(Failing()).run(task="go")
    assert any(record.getMessage().startswith(HANDLER_ERROR) for record in caplog.records)


async def test_process_next_hands_each_envelope_to_a_task() -> None:
    """`_process_next` creates a task for each message, and holds `self` and `message_envelope`."""
    group = team(Agent("a"), turns=1)
    with tasks_created() as created:
        await group.run(task="go")
    found = names_of(created, HANDLER)
    assert all(names["self"] is group._runtime for names in found)
    envelopes: set[type] = {names["message_envelope"].__class__ for names in found}
    assert envelopes == {PublishMessageEnvelope, SendMessageEnvelope, ResponseMessageEnvelope}


async def test_select_speaker_is_started_as_a_task() -> None:
    """The manager starts `select_speaker` by `ensure_future` after each turn; its `self` is it."""
    group = team(Agent("a"), turns=2)
    with tasks_created() as created:
        await group.run(task="go")
    assert isinstance(group._runtime, SingleThreadedAgentRuntime)
    manager = manager_of(group._runtime)
    selections = names_of(created, SELECTION)
    assert [names["self"] for names in selections] == [manager, manager]


@pytest.mark.parametrize("make", [selector, swarm, graph], ids=lambda make: make.__name__)
async def test_select_speaker_of_each_manager(make: Callable[[], BaseGroupChat]) -> None:
    """Every manager's `select_speaker` is a coroutine function of that name."""
    with tasks_created() as created:
        group = await group_after_a_run(make())
    assert group.has_turns
    found = [made.kind for made in created if made.coro.cr_code.co_name == "select_speaker"]
    assert set(found) == {SELECTION}


async def test_the_calls_of_a_request_are_gathered_in_their_order() -> None:
    """Each call is a task of `_execute_tool_calls`, which holds them, and the handoffs' tools."""
    gate = Gate()
    gate.let_go.set()
    model = ScriptedModel([wanted("wait", "transfer_to_bob")])
    ann = AssistantAgent("ann", model, tools=[gate.wait], handoffs=[Handoff(target="bob")])
    with tasks_created() as created:
        await ann.run(task="go")
    made = [made.given["tool_call"] for made in created if made.kind is CALL]
    assert [call.name for call in made] == ["wait", "transfer_to_bob"]
    for names in names_of(created, CALL):
        assert names["function_calls"] == made
        assert [tool.name for tool in names["handoff_tools"]] == ["transfer_to_bob"]
        assert names["agent_name"] == "ann"


async def test_the_gathering_of_tool_calls_is_known_by_its_name() -> None:
    """`_process_model_result` waits for a turn's calls in a task of `_execute_tool_calls`."""
    gathering = list[bool]()

    async def wait() -> str:
        tasks = asyncio.all_tasks()
        gathering.append(any(upstream.gathers_calls(task) for task in tasks))
        return "found"

    await scripted("ann", [calls("wait")], wait).run(task="go")
    assert gathering == [True]


async def test_a_tool_calls_task_returns_call_and_result() -> None:
    """The task of a tool call returns the call, and a `FunctionExecutionResult`."""
    gate = Gate()
    gate.let_go.set()
    ann = scripted("ann", [calls("wait")], gate.wait)
    wanted = calls("wait")
    call, result = await AssistantAgent._execute_tool_call(
        tool_call=wanted[0],
        workbench=ann._workbench,
        handoff_tools=[],
        agent_name="ann",
        cancellation_token=CancellationToken(),
        stream=asyncio.Queue(),
    )
    assert call is wanted[0]
    assert isinstance(result, FunctionExecutionResult)


async def test_the_function_calls_of_a_request_are_those_that_are_made() -> None:
    """The model context holds the very `FunctionCall` objects of which calls are made."""
    gate = Gate()
    gate.let_go.set()
    ann = scripted("ann", [calls("wait")], gate.wait)
    with tasks_created() as created:
        await ann.run(task="go")
    made = names_of(created, CALL)[0]["function_calls"][0]
    messages = upstream.messages_of(ann.model_context) or []
    assert any(made is call for message in messages for call in message.content)
