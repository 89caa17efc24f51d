"""Model contexts, and coroutines that do not really wait."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar, cast

from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import LLMMessage

T = TypeVar("T")


def messages_of(context: ChatCompletionContext) -> list[LLMMessage] | None:
    """The messages of a model context; None where a user's keeps them in a way of its own."""
    if type(context).add_message is not ChatCompletionContext.add_message:
        return None
    return context._messages


def put_messages(context: ChatCompletionContext, messages: list[LLMMessage]) -> None:
    """Have a model context hold these."""
    context._messages = messages


def at_once(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that does not really wait, as most of AutoGen's do not.

    Raises:
        RuntimeError: It waits. It was closed.
    """
    try:
        coro.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    coro.close()
    raise RuntimeError(f"{coro!r} waits")
