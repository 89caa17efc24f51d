"""The events of AutoGen's runs, and what becomes of each."""

from __future__ import annotations

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    ModelClientStreamingChunkEvent,
)

from supervisor._autogen.history import resume
from supervisor._core.channel import Role

__all__ = ["Event", "Item", "Message", "TaskResult", "role"]

Message = BaseChatMessage
Item = BaseAgentEvent | BaseChatMessage
Event = Item | TaskResult
"""What a run yields: a message or an event of AutoGen's, and last the `TaskResult`."""

# By class: `isinstance` with one of pydantic's costs half a microsecond, for each streamed chunk.
_roles: dict[type, Role] = {}


def role(event: Event) -> Role:
    """Return what becomes of an event.

    One of an earlier run is hidden: it was repeated for an agent that sums up what was said.
    """
    found = _roles.get(type(event))
    if found is None:
        is_chunk = isinstance(event, ModelClientStreamingChunkEvent)
        other = Role.RESULT if isinstance(event, TaskResult) else Role.KEPT
        found = _roles[type(event)] = Role.SHOWN if is_chunk else other
    if resume.replayed and resume.is_replayed(event):
        return Role.HIDDEN
    return found
