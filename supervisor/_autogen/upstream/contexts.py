"""Model contexts; and whether a component is AutoGen's own, so that a repair need not wait."""

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
_STATE: Final = tuple(Method(ChatCompletionContext, n) for n in ("save_state", "load_state"))
_PACKAGES: Final = ("autogen_agentchat", "autogen_core", "autogen_ext")


def messages_of(context: ChatCompletionContext) -> list[LLMMessage] | None:
    """Return the messages of a model context; None where a user's keeps them in its own way."""
    if not _ADD_MESSAGE.is_inherited(type(context)):
        return None
    return context._messages


def saved_messages(context: ChatCompletionContext) -> list[LLMMessage] | None:
    """Return the messages that a model context's state consists of.

    Returns:
        None where a user's writes its state in its own way.
    """
    has_own = not all(method.is_inherited(type(context)) for method in _STATE)
    return None if has_own else context._messages


def put_messages(context: ChatCompletionContext, messages: list[LLMMessage]) -> None:
    """Replace the messages of a model context."""
    context._messages = messages


def is_autogens(thing: object) -> bool:
    """Return whether all that a component does is AutoGen's code; of a condition, its parts too."""
    if isinstance(thing, FunctionalTermination):
        return False
    if isinstance(thing, (AndTerminationCondition, OrTerminationCondition)):
        return all(is_autogens(part) for part in thing._conditions)
    return type(thing).__module__.partition(".")[0] in _PACKAGES
