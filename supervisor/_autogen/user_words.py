"""What a user says to a team, as the task that the team takes next; what it has said in return."""

from __future__ import annotations

import re
from typing import Final

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseChatMessage, HandoffMessage, TextMessage

from supervisor._autogen import upstream
from supervisor._autogen.adapter import Runnable
from supervisor._autogen.messages import Event

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def as_task(runnable: Runnable, words: str) -> BaseChatMessage:
    """Return the user's words as a task.

    A Swarm that has handed off to the user takes nothing but a `HandoffMessage`: back to the member
    that has handed off.
    """
    words = _SURROGATE.sub("\ufffd", words)  # what a terminal gives for bytes that are no text
    found = upstream.open_handoff(runnable)
    if found is None:
        return TextMessage(source="user", content=words)
    handoff, members = found
    back = handoff.source if handoff.source in members else members[0]
    return HandoffMessage(source=handoff.target, target=back, content=words)


def waits_for_user(runnable: Runnable) -> bool:
    """Return whether a team has handed off to the user."""
    return upstream.open_handoff(runnable) is not None


def is_said_by_team(event: Event, task: BaseChatMessage | None) -> bool:
    """Return whether an event of a run is neither its result nor its task.

    MagenticOne shows its task even where it is asked not to.
    """
    return not isinstance(event, TaskResult) and (task is None or event.id != task.id)
