"""Model contexts, and who may make a conclusion wait."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from typing import Final

from autogen_agentchat.base import AndTerminationCondition, OrTerminationCondition
from autogen_agentchat.conditions import FunctionalTermination
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import LLMMessage

from supervisor._autogen.upstream.methods import Method

_ADD_MESSAGE: Final = Method(ChatCompletionContext, "add_message")
_PACKAGES: Final = ("autogen_agentchat", "autogen_core", "autogen_ext")


def messages_of(context: ChatCompletionContext) -> list[LLMMessage] | None:
    """The messages of a model context; None where a user's keeps them in a way of its own."""
    if not _ADD_MESSAGE.is_inherited(type(context)):
        return None
    return context._messages


def put_messages(context: ChatCompletionContext, messages: list[LLMMessage]) -> None:
    """Have a model context hold these."""
    context._messages = messages


def is_autogens(thing: object) -> bool:
    """Whether all that a thing does is AutoGen's: of a condition, its parts too."""
    if isinstance(thing, FunctionalTermination):
        return False
    if isinstance(thing, (AndTerminationCondition, OrTerminationCondition)):
        return all(is_autogens(part) for part in thing._conditions)
    return type(thing).__module__.partition(".")[0] in _PACKAGES
