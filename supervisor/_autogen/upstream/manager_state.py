"""The state by which a team's manager selects the next speaker."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._graph._digraph_group_chat import GraphFlowManager
from autogen_agentchat.teams._group_chat._magentic_one._magentic_one_orchestrator import (
    MagenticOneOrchestrator,
)
from autogen_agentchat.teams._group_chat._round_robin_group_chat import (
    RoundRobinGroupChatManager,
)
from autogen_agentchat.teams._group_chat._selector_group_chat import SelectorGroupChatManager
from autogen_agentchat.teams._group_chat._swarm_group_chat import SwarmGroupChatManager

from supervisor._autogen.upstream.attributes import set_by_autogen

ManagerState = dict[str, Any]

_NOT_STATE: Final = frozenset(
    {"_active_speakers", "_current_turn", "_message_thread", "_sequential_message_types"}
)
_STATE: Final[dict[type, tuple[str, ...]]] = {
    RoundRobinGroupChatManager: ("_next_speaker_index",),
    SelectorGroupChatManager: ("_previous_speaker",),
    SwarmGroupChatManager: ("_current_speaker",),
    GraphFlowManager: ("_ready", "_remaining", "_enqueued_any", "_triggered_activation_groups"),
    MagenticOneOrchestrator: (),  # each run starts with a new state
}
"""The attributes by which a manager of AutoGen's selects the next speaker."""

_PLAIN: Final = (bool, int, float, str, bytes, tuple, frozenset, type(None))
_COLLECTIONS: Final[dict[Any, Callable[[Any], Any]]] = {
    Counter: lambda items: Counter(dict(items)),
    deque: lambda items: deque(map(_copy, items)),
    dict: lambda items: {key: _copy(value) for key, value in items.items()},
    list: lambda items: list(map(_copy, items)),
    set: set,
}


def manager_state(manager: BaseGroupChatManager) -> ManagerState:
    """Return a copy of what a manager selects the next speaker by; of a user's, all its data."""
    found = vars(manager)
    names = _STATE.get(type(manager))
    if names is None:
        names = tuple(name for name in found if name not in _NOT_STATE)
    return {name: _copy(found[name]) for name in names if _is_data(found[name])}


def lasting(manager: BaseGroupChatManager, state: ManagerState) -> ManagerState:
    """Return what of a manager's state a fresh manager may take over.

    What a manager of the user's inherits from AutoGen, and does not select by, is that of its team:
    names, prompts, topics.
    """
    if type(manager) in _STATE:
        return state
    selected_by = {name for cls in type(manager).__mro__ for name in _STATE.get(cls, ())}
    others = set_by_autogen(type(manager)) - selected_by
    return {name: value for name, value in state.items() if name not in others}


def fitted(manager: BaseGroupChatManager, state: ManagerState, was: Sequence[str]) -> ManagerState:
    """Return an earlier state as far as it fits the members that a team has now.

    Args:
        manager: The team's manager.
        state: What it selected the next speaker by.
        was: The members that the team had then, in their order; none where that is not known.
    """
    known = _STATE.get(type(manager))
    found = {name: it for name, it in state.items() if known is None or name in known}
    names = manager._participant_names
    if "_next_speaker_index" in found:
        found["_next_speaker_index"] = _next_index(found["_next_speaker_index"], names, was)
    for name, nobody in (("_previous_speaker", None), ("_current_speaker", names[0])):
        if name in found and found[name] not in names:
            found[name] = nobody
    return found


def _next_index(index: int, names: Sequence[str], was: Sequence[str]) -> int:
    """Return the place of the first that was to speak, and is there still."""
    turns = [*was[index:], *was[:index]]
    return next((names.index(it) for it in turns if it in names), index % len(names))


def put_manager_state(manager: BaseGroupChatManager, state: ManagerState) -> None:
    """Let a manager select the next speaker by an earlier state."""
    for name, value in state.items():
        setattr(manager, name, _copy(value))


def _is_data(value: object) -> bool:
    return isinstance(value, _PLAIN) or value.__class__ in _COLLECTIONS


def _copy(value: Any) -> Any:
    """Copy data, down to the last list of lists; the items in them are shared."""
    copy = _COLLECTIONS.get(value.__class__)
    return value if copy is None else copy(value)
