"""A model for tests: it follows a script, and refuses transcripts that a real model would refuse.

Its answers depend on the transcript and on nothing else. A turn that was stopped and rolled back is
asked for again, and must then get the same answer. A client that counts its requests, as AutoGen's
`ReplayChatCompletionClient` does, would give it the next answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, TypeVar

from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from supervisor.testing._numbers import check_seconds, check_steps
from supervisor.testing._transcript import check_transcript

T = TypeVar("T")

Said: TypeAlias = str | CreateResult | Sequence[FunctionCall] | BaseException
"""An answer: a text, tool calls, a whole result, or an exception to be raised."""

Replies: TypeAlias = Callable[[Sequence[LLMMessage]], Said | Awaitable[Said]]
"""Finds the answer to a transcript."""

_USAGE: Final = RequestUsage(prompt_tokens=0, completion_tokens=0)
_INFO: Final = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=False,
    family=ModelFamily.UNKNOWN,
    structured_output=False,
)


def calls(*wanted: str | tuple[str, Mapping[str, Any]]) -> list[FunctionCall]:
    """Return an answer of a model that calls tools, all at once.

    Args:
        wanted: The names of tools, with arguments if a tool takes any. The model chooses the ids.

    Example:
        ```python
        ScriptedModel([calls("now", ("look_up", {"word": "stop"})), "It is late."])
        ```
    """
    none: Mapping[str, Any] = {}
    pairs = [(each, none) if isinstance(each, str) else each for each in wanted]
    return [FunctionCall(id="", name=name, arguments=json.dumps(args)) for name, args in pairs]


def answers_so_far(messages: Sequence[LLMMessage]) -> int:
    """Return the number of model answers in the transcript: the place in a script."""
    return sum(isinstance(message, AssistantMessage) for message in messages)


def digest(*texts: str) -> str:
    """Return eight letters that differ if the texts differ."""
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=4).hexdigest()


def fingerprint(messages: Sequence[LLMMessage]) -> str:
    """Return eight letters that differ if the transcripts differ."""
    return digest(*(message.model_dump_json() for message in messages))


def answer_of(script: Sequence[T], number: int) -> T:
    """Return the answer at this place in a script.

    Raises:
        IndexError: The script has ended.
        TypeError: The script is a text.
    """
    if isinstance(script, str):
        raise TypeError(f"a script is a list of answers; write [{script!r}]")
    if number >= len(script):
        raise IndexError(
            f"the script has {len(script)} answers, and one more is asked for; "
            "add it, or give a function of the transcript"
        )
    return script[number]


class ScriptedModel(ChatCompletionClient):
    """A model client that needs no network, and is as strict as a provider.

    One script serves any number of agents, because only the transcript counts that each sends. A
    streamed text is sent word by word. The token cancels requests, as with OpenAI's client.

    Args:
        script: The answers in order: a transcript with n answers gets the next one. Or a function
            from the transcript to the answer, which may be a coroutine function; it may also be one
            of the answers. None answers with a fingerprint of the transcript: two runs give the
            same answers only if their agents got the same messages.
        pause: The number of steps of the loop for an answer, and for each further word.
        seconds: Additional seconds for an answer, and for each further word.
        on_cancel: What it does when cancelled: "heed" ends, as a good client does; "raise" turns
            the cancellation into a `RuntimeError`; "swallow" answers all the same.
        user_first: As for `check_transcript`.
        unique: As for `check_transcript`.

    Raises:
        TypeError: `pause` or `seconds` is no number of its kind.
        ValueError: One of them is negative, or no finite number.

    Example:
        ```python
        model = ScriptedModel([calls("look_up"), "Found."])
        agent = AssistantAgent("seeker", model, tools=[look_up], reflect_on_tool_use=True)
        ```
    """

    def __init__(
        self,
        script: Sequence[Said | Replies] | Replies | None = None,
        *,
        pause: int = 1,
        seconds: float = 0.0,
        on_cancel: Literal["heed", "raise", "swallow"] = "heed",
        user_first: bool = True,
        unique: bool = False,
    ) -> None:
        self._script = script
        self._pause = check_steps("pause", pause, or_else="give a time as seconds=")
        self._seconds = check_seconds("seconds", seconds)
        self._on_cancel = on_cancel
        self._rules = {"user_first": user_first, "unique": unique}
        self.requests: list[list[LLMMessage]] = []
        """The transcripts that it has received."""

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),  # noqa: ARG002
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",  # noqa: ARG002
        json_output: bool | type[BaseModel] | None = None,  # noqa: ARG002
        extra_create_args: Mapping[str, Any] = {},  # noqa: ARG002
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """Answer.

        Raises:
            TranscriptError: The transcript breaks a rule.
            IndexError: The script has ended.
        """
        self._take(messages)
        return await self._request(self._answer(messages), cancellation_token)

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),  # noqa: ARG002
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",  # noqa: ARG002
        json_output: bool | type[BaseModel] | None = None,  # noqa: ARG002
        extra_create_args: Mapping[str, Any] = {},  # noqa: ARG002
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Answer word by word.

        Raises:
            TranscriptError: The transcript breaks a rule.
            IndexError: The script has ended.
        """
        self._take(messages)
        result = await self._request(self._answer(messages), cancellation_token)
        if isinstance(result.content, str):
            for word in re.findall(r"\S+\s*", result.content):
                yield word
                await self._request(self._rest(), cancellation_token)
        yield result

    def _take(self, messages: Sequence[LLMMessage]) -> None:
        self.requests.append(list(messages))
        check_transcript(messages, **self._rules)

    async def _request(self, request: Coroutine[Any, Any, T], token: CancellationToken | None) -> T:
        if self._on_cancel == "swallow":  # no task of its own, which could be cancelled unstarted
            return await request
        task = asyncio.ensure_future(request)
        if token is not None:
            token.link_future(task)
        try:
            return await task
        except asyncio.CancelledError:
            if self._on_cancel == "raise":
                raise RuntimeError("the connection was torn down") from None
            raise

    async def _rest(self) -> None:
        for seconds in [0.0] * self._pause + [self._seconds] * (self._seconds > 0):
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                if self._on_cancel != "swallow":
                    raise

    async def _answer(self, messages: Sequence[LLMMessage]) -> CreateResult:
        await self._rest()
        found = self._look_up(messages)
        said = found(messages) if callable(found) else found
        if inspect.isawaitable(said):
            said = await said
        if isinstance(said, BaseException):
            raise said
        return _result(said, messages)

    def _look_up(self, messages: Sequence[LLMMessage]) -> Said | Replies:
        if self._script is None:
            return f"answer {answers_so_far(messages)} to {fingerprint(messages)}"
        if callable(self._script):
            return self._script
        return answer_of(self._script, answers_so_far(messages))

    async def close(self) -> None:
        """Do nothing: nothing is open."""

    def actual_usage(self) -> RequestUsage:
        """Return zero: nothing is used."""
        return _USAGE

    def total_usage(self) -> RequestUsage:
        """Return zero: nothing is used."""
        return _USAGE

    def count_tokens(
        self,
        messages: Sequence[LLMMessage],  # noqa: ARG002
        *,
        tools: Sequence[Tool | ToolSchema] = (),  # noqa: ARG002
    ) -> int:
        """Return 0: tokens are not counted."""
        return 0

    def remaining_tokens(
        self,
        messages: Sequence[LLMMessage],  # noqa: ARG002
        *,
        tools: Sequence[Tool | ToolSchema] = (),  # noqa: ARG002
    ) -> int:
        """Return a number that is always enough."""
        return 1_000_000

    @property
    def capabilities(self) -> ModelInfo:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The same as `model_info`."""
        return _INFO

    @property
    def model_info(self) -> ModelInfo:
        """The abilities of a model that calls functions, and nothing else."""
        return _INFO


def _result(said: str | CreateResult | Sequence[FunctionCall], given: Any) -> CreateResult:
    if isinstance(said, CreateResult):
        return said
    if isinstance(said, str):
        return CreateResult(finish_reason="stop", content=said, usage=_USAGE, cached=False)
    # From the transcript, like the answer: a turn that is asked for again has the same calls.
    mark = fingerprint(given)
    named = [
        FunctionCall(id=call.id or f"call-{mark}-{n}", name=call.name, arguments=call.arguments)
        for n, call in enumerate(said)
    ]
    return CreateResult(finish_reason="function_calls", content=named, usage=_USAGE, cached=False)
