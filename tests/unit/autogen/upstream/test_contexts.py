"""Contract tests: model contexts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from autogen_core.model_context import (
    BufferedChatCompletionContext,
    ChatCompletionContext,
    HeadAndTailChatCompletionContext,
    TokenLimitedChatCompletionContext,
    UnboundedChatCompletionContext,
)
from autogen_core.models import LLMMessage, UserMessage

from supervisor._autogen import upstream
from supervisor.testing import ScriptedModel


@pytest.mark.parametrize(
    "make",
    [
        UnboundedChatCompletionContext,
        lambda: BufferedChatCompletionContext(2),
        lambda: HeadAndTailChatCompletionContext(1, 1),
        lambda: TokenLimitedChatCompletionContext(ScriptedModel(), token_limit=10),
    ],
    ids=["unbounded", "buffered", "head and tail", "token limited"],
)
async def test_messages_of_a_context(make: Callable[[], ChatCompletionContext]) -> None:
    """`_messages` of each context of AutoGen's is a list of all that was added."""
    context = make()
    messages: list[LLMMessage] = [UserMessage(content=str(n), source="user") for n in range(4)]
    for message in messages:
        await context.add_message(message)
    assert upstream.messages_of(context) == messages
    upstream.put_messages(context, messages[:1])
    assert await context.get_messages() == messages[:1]
