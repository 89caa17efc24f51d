"""The fields of AutoGen's termination conditions: what they count, and what is set."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from autogen_agentchat.base import (
    AndTerminationCondition,
    OrTerminationCondition,
    TerminationCondition,
)
from autogen_agentchat.conditions import (
    ExternalTermination,
    FunctionalTermination,
    FunctionCallTermination,
    HandoffTermination,
    MaxMessageTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TextMessageTermination,
    TimeoutTermination,
    TokenUsageTermination,
)
from autogen_agentchat.messages import StopMessage

COUNTS: Final[Mapping[type[TerminationCondition], tuple[str, ...]]] = {
    AndTerminationCondition: (),
    ExternalTermination: ("_terminated", "_setted"),
    FunctionCallTermination: ("_terminated",),
    FunctionalTermination: ("_terminated",),
    HandoffTermination: ("_terminated",),
    MaxMessageTermination: ("_message_count",),
    OrTerminationCondition: (),
    SourceMatchTermination: ("_terminated",),
    StopMessageTermination: ("_terminated",),
    TextMentionTermination: ("_terminated",),
    TextMessageTermination: ("_terminated",),
    TimeoutTermination: ("_terminated",),
    TokenUsageTermination: ("_total_token_count", "_prompt_token_count", "_completion_token_count"),
}
"""What each class of AutoGen's counts or notes; all of it are numbers and truth values."""

SETTINGS: Final = frozenset(
    {
        "_function_name",
        "_include_agent_event",
        "_max_completion_token",
        "_max_messages",
        "_max_prompt_token",
        "_max_total_token",
        "_source",
        "_sources",
        "_target",
        "_termination_text",
        "_timeout_seconds",
    }
)
"""What they are told to look for: a program that is deployed anew may say something else."""

_START: Final = "_start_time"


def condition_counts(condition: TerminationCondition) -> dict[str, Any] | None:
    """Return what a condition of AutoGen's has counted; None for a class of the user's."""
    names = COUNTS.get(type(condition))
    return None if names is None else {name: getattr(condition, name) for name in names}


def is_condition_setting(condition: TerminationCondition, name: str) -> bool:
    """Return whether an attribute is a setting that a user's subclass has of AutoGen's class."""
    return name == _START or (name in SETTINGS and isinstance(condition, tuple(COUNTS)))


def condition_parts(condition: TerminationCondition) -> Sequence[TerminationCondition] | None:
    """Return what AutoGen's And or Or consists of; None for any other condition."""
    if isinstance(condition, (AndTerminationCondition, OrTerminationCondition)):
        return condition._conditions
    return None


def noted_stops(condition: TerminationCondition) -> list[StopMessage] | None:
    """Return the stop messages that an And has noted, to be changed; None for any other."""
    return condition._stop_messages if isinstance(condition, AndTerminationCondition) else None


def elapsed(condition: TerminationCondition) -> float | None:
    """Return for how many seconds a time-out has run; None for any other condition."""
    if isinstance(condition, TimeoutTermination):
        return time.monotonic() - condition._start_time
    return None


def put_elapsed(condition: TerminationCondition, seconds: float) -> None:
    """Let a time-out have run for so many seconds."""
    if isinstance(condition, TimeoutTermination):
        condition._start_time = time.monotonic() - seconds
