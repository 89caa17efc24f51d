"""Messages that say nothing to a journal: of teams that it does not know, and after its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from autogen_agentchat.base import Response, TaskResult
from autogen_agentchat.messages import StopMessage, TextMessage
from autogen_core import SingleThreadedAgentRuntime

from supervisor._autogen.history.journal import Journal
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


async def test_a_team_without_a_manager_is_left_to_autogen() -> None:
    """AutoGen raises to whoever has sent the message that nobody takes."""
    journal = Journal(None, lambda: None)
    journal.deliver(_delivery(_MESSAGES[0], is_sent=True), asyncio.current_task())
    assert journal.root is None
    assert not journal.has_taken_effect()
