"""What waits in a queue as a snapshot is taken, while its turn would be kept open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from autogen_agentchat.base import Response
from autogen_agentchat.messages import TextMessage

from supervisor._autogen.checkpoints.open_turns import KeptTurn, count_waiting
from supervisor._autogen.upstream import Delivery, GroupChatAgentResponse, GroupChatMessage

NOTHING: Any = None


def _name_at(topic: str) -> str:
    return topic.removeprefix("topic of ")


class _Journal:
    """Notes what is delivered of the run of one team."""

    on_step = None

    def __init__(self) -> None:
        group = SimpleNamespace(name_at=_name_at)
        self.team_runs = {"team": SimpleNamespace(group=group, counted=[])}
        self.delivered: list[object] = []

    def deliver(self, found: Delivery, _task: None) -> None:
        self.delivered.append(found.message)


def _waiting(message: object, name: str) -> Delivery:
    return Delivery(NOTHING, message, "team", "group", False, None, f"topic of {name}")


def test_what_a_member_has_shown_counts_before_its_answer() -> None:
    """An answer that waits is counted with the messages of its turn that wait before it."""
    said = {name: TextMessage(content="Done", source=name) for name in "ab"}
    shown = {name: GroupChatMessage(message=item) for name, item in said.items()}
    answers = {
        name: GroupChatAgentResponse(response=Response(chat_message=item), name=name)
        for name, item in said.items()
    }
    journal = _Journal()
    waiting = [_waiting(held[name], name) for held in (shown, answers) for name in "ab"]
    kept = [KeptTurn(NOTHING, "team", "b")]
    assert count_waiting(cast(Any, journal), kept, iter(waiting))
    assert journal.delivered == [shown["b"], answers["b"]]
    assert journal.team_runs["team"].counted == [answers["b"]]
