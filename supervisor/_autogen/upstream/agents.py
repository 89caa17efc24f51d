"""Agents: whether one saves more than its model context and its inner team."""

from __future__ import annotations

import functools
from typing import Any, Final

from autogen_agentchat.agents import AssistantAgent, BaseChatAgent, SocietyOfMindAgent

from supervisor._autogen.upstream.methods import Method

_SAVE: Final = tuple(
    Method(cls, "save_state") for cls in (BaseChatAgent, AssistantAgent, SocietyOfMindAgent)
)
"""What these save is nothing, a model context, and the state of a team."""


@functools.cache
def has_own_state(cls: type[Any]) -> bool:
    """Return whether a class of agents has a `save_state` of its own."""
    return not any(method.is_inherited(cls) for method in _SAVE)
