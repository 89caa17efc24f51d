"""What was said in a turn before it was interrupted and kept: its answer begins with that.

AutoGen's manager hears the events of a turn, and asks its condition about them, only with the
turn's answer. The agent that answers for a turn which another process has begun does not know what
was said there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from weakref import WeakKeyDictionary

from supervisor._autogen.upstream import ChatItem, Group, GroupChatAgentResponse

Openings = dict[str, list[ChatItem]]
"""What was said in the turns that members are to go on with, by the members' names."""

_openings: WeakKeyDictionary[object, Openings] = WeakKeyDictionary()


def put_openings(group: Group, openings: Mapping[str, list[ChatItem]]) -> None:
    """Set them for the next run of a team."""
    _openings[group.manager] = dict(openings)


def openings_of(group: Group) -> Openings:
    """Return those of a team whose next run has not begun."""
    return _openings.get(group.manager, {})


def take_openings(group: Group) -> Openings:
    """Return those of a team whose run begins; asked once."""
    return _openings.pop(group.manager, {})


def begin_with(opening: list[ChatItem], message: GroupChatAgentResponse) -> None:
    """Let an answer, which its team has not handled yet, begin with what was said before."""
    inner = [*opening, *(message.response.inner_messages or ())]
    message.response = replace(message.response, inner_messages=inner)
