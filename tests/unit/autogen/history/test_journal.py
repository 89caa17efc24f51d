"""Messages that say nothing to a journal: of teams that it does not know, and after its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from autogen_agentchat.base import Response, TaskResult
from autogen_agentchat.messages import StopMessage, TextMessage
from autogen_core import FunctionCall, SingleThreadedAgentRuntime

from supervisor._autogen.history.journal import Journal
from supervisor._autogen.history.tool_calls import Call
from supervisor._autogen.upstream import (
    Delivery,
    GroupChatAgentResponse,
    GroupChatMessage,
    GroupChatRequestPublish,
    GroupChatReset,
    GroupChatStart,
    GroupChatTeamResponse,
    GroupChatTermination,
)
from tests.agents import Agent
from tests.unit.autogen.upstream.parts import group_after_a_run
from tests.unit.testing.teams import round_robin

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

_SAID = TextMessage(content="so", source="a")
_MESSAGES: list[Any] = [
    GroupChatStart(messages=[_SAID]),
    GroupChatRequestPublish(),
    GroupChatAgentResponse(response=Response(chat_message=_SAID), name="a"),
    GroupChatTeamResponse(result=TaskResult(messages=[_SAID]), name="a"),
    GroupChatMessage(message=_SAID),
    GroupChatReset(),
    GroupChatTermination(message=StopMessage(content="end", source="a")),
]


def _delivery(message: Any, *, is_sent: bool = False) -> Delivery:
    runtime = SingleThreadedAgentRuntime()
    return Delivery(runtime, message, "team", "topic", is_sent=is_sent, token=None)


@pytest.mark.parametrize("message", _MESSAGES, ids=lambda it: type(it).__name__)
async def test_messages_of_an_unknown_team_are_passed_over(message: Any) -> None:
    """A program may use AutoGen's messages for something of its own."""
    boundaries = list[None]()
    journal = Journal(None, lambda: boundaries.append(None))
    journal.deliver(_delivery(message), asyncio.current_task())
    assert journal.root is None
    assert (journal.others, journal.team_runs, boundaries) == ([], {}, [])
    assert journal.active_agents() == []


async def test_an_answer_that_was_counted_while_it_waited_counts_once() -> None:
    """A run that is written may count an answer before AutoGen handles it."""
    team = round_robin(Agent("a"), turns=1)
    group = await group_after_a_run(team)
    topics = group.manager._participant_name_to_topic_type
    journal = Journal(None, lambda: None)
    runtime: Any = team._runtime
    manager = group.manager.id.type

    def deliver(message: Any, address: str, *, is_sent: bool = False) -> None:
        found = Delivery(runtime, message, group.key, address, is_sent=is_sent, token=None)
        journal.deliver(found, asyncio.current_task())

    answer = GroupChatAgentResponse(response=Response(chat_message=_SAID), name="a")
    deliver(GroupChatStart(messages=[_SAID]), manager, is_sent=True)
    deliver(GroupChatRequestPublish(), topics["a"])
    assert journal.active_agents() == ["a"]
    deliver(answer, group.topic)
    journal.team_runs[group.key].counted.append(answer)
    deliver(GroupChatRequestPublish(), topics["a"])
    deliver(answer, group.topic)
    assert (journal.finished, journal.active_agents()) == (1, ["a"])


async def test_a_call_that_answers_something_else_has_no_result() -> None:
    """A wrapper around AutoGen's method may answer anything; AutoGen's agent raises for it."""

    async def answer() -> str:
        return "neither a call nor a result"

    coro = answer()
    task = asyncio.create_task(coro)
    call = Call(task, coro, FunctionCall(id="1", name="tool", arguments="{}"), "a")
    await task
    assert call.result is None


async def test_a_team_without_a_manager_is_left_to_autogen() -> None:
    """AutoGen raises to whoever has sent the message that nobody takes."""
    journal = Journal(None, lambda: None)
    journal.deliver(_delivery(_MESSAGES[0], is_sent=True), asyncio.current_task())
    assert journal.root is None
    assert not journal.has_taken_effect()
