"""Answers that wait in a queue as a snapshot is made."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from autogen_agentchat.base import Response
from autogen_agentchat.messages import TextMessage
from autogen_core import SingleThreadedAgentRuntime

from supervisor._autogen.checkpoints.open_turns import KeptTurn, count_waiting
from supervisor._autogen.history.journal import Journal
from supervisor._autogen.upstream import Delivery, GroupChatAgentResponse, GroupChatRequestPublish


class _Journal:
    """A journal that notes what it is told of, and tells of a step each time, as the real one."""

    def __init__(self) -> None:
        self.on_step: Callable[[], None] | None = self._step
        self.steps = 0
        self.delivered: list[Delivery] = []
        self.team_runs = {"team": SimpleNamespace(counted=list[Any]())}

    def _step(self) -> None:
        self.steps += 1

    def deliver(self, found: Delivery, _task: None) -> None:
        self.delivered.append(found)
        if self.on_step is not None:
            self.on_step()


def _waiting(message: Any, team: str = "team") -> Delivery:
    runtime = SingleThreadedAgentRuntime()
    return Delivery(runtime, message, team, "topic", is_sent=False, token=None)


def _answer(member: str) -> GroupChatAgentResponse:
    said = TextMessage(content="so", source=member)
    return GroupChatAgentResponse(response=Response(chat_message=said), name=member)


def _kept(member: str) -> KeptTurn:
    return KeptTurn(cast(Any, None), "team", member)


def test_an_answer_in_a_queue_is_counted_where_its_turn_would_be_kept() -> None:
    """It is noted once, as handled, and that makes no further snapshot."""
    journal, answer = _Journal(), _answer("a")
    queue = [
        _waiting(GroupChatRequestPublish()),
        _waiting(answer),
        _waiting(_answer("b")),  # whose turn is undone
        _waiting(_answer("a"), team="other"),
    ]
    on_step = journal.on_step
    assert count_waiting(cast(Journal, journal), [_kept("a")], queue)
    assert [found.message for found in journal.delivered] == [answer]
    assert journal.team_runs["team"].counted == [answer]
    assert (journal.steps, journal.on_step) == (0, on_step)


def test_nothing_is_counted_where_no_turn_is_kept() -> None:
    """The turn is undone with its answer, and taken again."""
    journal = _Journal()
    assert not count_waiting(cast(Journal, journal), [], [_waiting(_answer("a"))])
    assert not journal.delivered
