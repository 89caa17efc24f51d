"""What a team holds, found through its attributes."""

from __future__ import annotations

from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor._autogen.walk import may_hold, walk
from tests.agents import Agent


def test_long_list_of_messages_is_passed_over() -> None:
    """A list of ten thousand messages costs what one costs, for it is walked before each turn."""
    messages = [TextMessage(content="x", source="a")] * 10_000
    assert not may_hold(messages)


def test_members_of_a_large_team_are_found() -> None:
    """A team of two hundred members is walked as one of two."""
    members = [Agent(f"a{number}") for number in range(200)]
    assert members[-1] in list(walk(RoundRobinGroupChat(list(members))))


def test_what_holds_nothing_is_all_there_is() -> None:
    """An object of any other kind has no components."""
    root = object()
    assert list(walk(root)) == [root]
