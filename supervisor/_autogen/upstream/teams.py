"""Teams as objects: their ids, their runtimes, their marks of a running team, their handoffs."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from typing import cast

from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, HandoffMessage
from autogen_agentchat.teams import BaseGroupChat, Swarm
from autogen_agentchat.teams._group_chat._swarm_group_chat import SwarmGroupChatManager
from autogen_core import AgentId, SingleThreadedAgentRuntime

ChatItem = BaseAgentEvent | BaseChatMessage


def team_id(team: BaseGroupChat) -> str:
    """Return the key of a team's agents."""
    return team._team_id


def is_team(thing: object, key: str) -> bool:
    """Return whether an object is the team with that id."""
    return isinstance(thing, BaseGroupChat) and thing._team_id == key


def message_types(team: object) -> dict[str, type[ChatItem]]:
    """Return the types of messages that a team knows, by their names."""
    return dict(team._message_factory._message_types) if isinstance(team, BaseGroupChat) else {}


def given_runtime(team: object) -> SingleThreadedAgentRuntime | None:
    """Return the runtime that the user gave a team.

    Returns:
        None where the team has its own, or a distributed one.
    """
    if isinstance(team, BaseGroupChat) and not team._embedded_runtime:
        runtime = team._runtime
        return runtime if isinstance(runtime, SingleThreadedAgentRuntime) else None
    return None


def handed_off(team: object) -> tuple[str, list[str]] | None:
    """Return whom a Swarm has handed off to last, and its members.

    Returns:
        None where the last handoff was to a member.
    """
    found = open_handoff(team)
    return None if found is None else (found[0].target, found[1])


def open_handoff(team: object) -> tuple[HandoffMessage, list[str]] | None:
    """Return a Swarm's last handoff, and its members, where that was to none of them."""
    if Swarm not in type(team).__mro__:  # of each run; `isinstance` would ask each base class
        return None
    team = cast(Swarm, team)
    if not isinstance(team._runtime, SingleThreadedAgentRuntime):
        return None
    found = team._runtime._instantiated_agents
    key = AgentId(team._group_chat_manager_topic_type, team._team_id)
    manager = found.get(key)
    if not isinstance(manager, SwarmGroupChatManager):
        return None
    thread = reversed(manager._message_thread)
    handoff = next((item for item in thread if isinstance(item, HandoffMessage)), None)
    names = manager._participant_names
    return None if handoff is None or handoff.target in names else (handoff, names)


def unmark_running(team: object) -> None:
    """Unmark a team as running that was interrupted while it started or was reset."""
    if isinstance(team, BaseGroupChat) and team._is_running:
        team._is_running = False
        while not team._output_message_queue.empty():
            team._output_message_queue.get_nowait()
