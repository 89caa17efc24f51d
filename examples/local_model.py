"""A language model without a model: it streams what it was given to say, word by word.

No key, no network, no weights. It behaves as a model's client should: the pause before each word
is linked to the cancellation token, as a request over the network would be.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from itertools import cycle
from typing import Any, Literal

from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelCapabilities,  # pyright: ignore[reportDeprecated]
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

Answer = str | FunctionCall


class LocalModel(ChatCompletionClient):
    """Gives its answers in turn, and begins anew after the last.

    Args:
        answers: What to say: text, or the call of a tool.
        pause: Seconds before each word.
    """

    def __init__(self, *answers: Answer, pause: float = 0.05) -> None:
        self._answers = cycle(answers)
        self._pause = pause

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Yield the next answer word by word, then the whole of it."""
        answer = next(self._answers)
        words = answer.split(" ") if isinstance(answer, str) else []
        for count, word in enumerate(words):
            await self._wait(cancellation_token)
            yield word if count == 0 else f" {word}"
        if not words:
            await self._wait(cancellation_token)
        yield _whole(answer)

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """Return the next answer, in the time that it takes to say it."""
        async for item in self.create_stream(messages, cancellation_token=cancellation_token):
            if isinstance(item, CreateResult):
                return item
        raise AssertionError("the stream ends with a CreateResult")

    async def _wait(self, token: CancellationToken | None) -> None:
        request = asyncio.ensure_future(asyncio.sleep(self._pause))
        if token is not None:
            token.link_future(request)
        await request

    async def close(self) -> None:
        """Nothing to close."""

    def actual_usage(self) -> RequestUsage:
        """Nothing is counted."""
        return RequestUsage(prompt_tokens=0, completion_tokens=0)

    def total_usage(self) -> RequestUsage:
        """Nothing is counted."""
        return self.actual_usage()

    def count_tokens(
        self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()
    ) -> int:
        """Nothing is counted."""
        return 0

    def remaining_tokens(
        self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()
    ) -> int:
        """There is always room."""
        return 100_000

    @property
    def capabilities(self) -> ModelCapabilities:  # pyright: ignore[reportDeprecated]
        """AutoGen's older name for `model_info`."""
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        """A model that can call tools, and nothing else."""
        return ModelInfo(
            vision=False,
            function_calling=True,
            json_output=False,
            family="unknown",
            structured_output=False,
        )


def _whole(answer: Answer) -> CreateResult:
    is_text = isinstance(answer, str)
    return CreateResult(
        finish_reason="stop" if is_text else "function_calls",
        content=answer if isinstance(answer, str) else [answer],
        usage=RequestUsage(prompt_tokens=0, completion_tokens=0),
        cached=False,
    )
