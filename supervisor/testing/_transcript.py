"""The rules of model providers for a transcript; a request that breaks one is refused.

OpenAI answers 400 if a tool call is not followed by its result; Anthropic also does if a content is
empty, or if the first message is not the user's. AutoGen's fake models check none of this. So an
agent whose context was left half written passes its tests, and fails with a real model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)


class TranscriptError(AssertionError):
    """A transcript that a provider would refuse.

    Args:
        rule: The rule that is broken.
        place: Where.
    """

    def __init__(self, rule: str, place: str) -> None:
        super().__init__(f"{rule}: {place}")
        self.rule = rule
        self.place = place

    def __reduce__(self) -> tuple[type[TranscriptError], tuple[str, str]]:
        return type(self), (self.rule, self.place)


TranscriptError.__module__ = "supervisor.testing"  # a traceback names what users import


def check_transcript(
    messages: Sequence[LLMMessage], *, user_first: bool = True, unique: bool = False
) -> None:
    """Check a transcript by the providers' rules.

    Each tool call is followed at once by its result, and has only one. No result is without its
    call, no id is used for two calls, and no message of the assistant is empty.

    Args:
        messages: The transcript, as it is sent to a model.
        user_first: Whether the first message, apart from the system's, has to be the user's. That
            is a rule of Anthropic's; AutoGen's `MagenticOneGroupChat` breaks it by itself.
        unique: Whether no two messages of users may be equal. That is no provider's rule. If all
            messages of a test differ, it finds a message that an agent was given twice.

    Raises:
        TranscriptError: A rule is broken.

    Example:
        ```python
        for request in model.requests:
            check_transcript(request, unique=True)
        ```
    """
    _check_calls(messages)
    for number, message in enumerate(messages):
        if isinstance(message, AssistantMessage) and _is_empty(message.content):
            raise TranscriptError("what the assistant says must not be empty", _at(number, message))
    if user_first:
        _check_first(messages)
    if unique:
        _check_unique(messages)


def _check_calls(messages: Sequence[LLMMessage]) -> None:
    seen: set[str] = set()
    number = 0
    while number < len(messages):
        message = messages[number]
        if isinstance(message, FunctionExecutionResultMessage):
            ids = ", ".join(result.call_id for result in message.content)
            place = f"{_at(number, message)} answers {ids or 'nothing'}"
            raise TranscriptError("a result must stand directly behind its call", place)
        number += 1
        if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            called = [call.id for call in message.content]
            _check_ids(called, seen, _at(number - 1, message))
            answers = list(_results_from(messages, number))
            _check_answered(called, answers, _at(number - 1, message))
            number += len(answers)


def _check_ids(called: list[str], seen: set[str], place: str) -> None:
    for call_id in called:
        if call_id in seen:
            raise TranscriptError("no two calls may have one id", f"{place} uses {call_id} again")
        seen.add(call_id)


def _results_from(
    messages: Sequence[LLMMessage], number: int
) -> Iterator[FunctionExecutionResultMessage]:
    for message in messages[number:]:
        if not isinstance(message, FunctionExecutionResultMessage):
            return
        yield message


def _check_answered(
    called: list[str], answers: list[FunctionExecutionResultMessage], place: str
) -> None:
    answered = [result.call_id for message in answers for result in message.content]
    for call_id in answered:
        if call_id not in called:
            raise TranscriptError("no result may be without its call", f"{call_id} behind {place}")
        if answered.count(call_id) > 1:
            raise TranscriptError("a call has one result", f"{call_id} of {place} has more")
    for call_id in called:
        if call_id not in answered:
            rule = "each call must be followed at once by its result"
            raise TranscriptError(rule, f"{call_id} of {place} is not")


def _check_first(messages: Sequence[LLMMessage]) -> None:
    for number, message in enumerate(messages):
        if isinstance(message, UserMessage):
            return
        if not isinstance(message, SystemMessage):
            raise TranscriptError("the user must speak first", f"{_at(number, message)} does")
    raise TranscriptError("the user must speak first", "nobody but the system does")


def _check_unique(messages: Sequence[LLMMessage]) -> None:
    seen: list[UserMessage] = []
    for number, message in enumerate(messages):
        if isinstance(message, UserMessage):
            if message in seen:
                raise TranscriptError("no message is given twice", _at(number, message))
            seen.append(message)


def _is_empty(content: str | Sequence[object]) -> bool:
    return not (content.strip() if isinstance(content, str) else content)


def _at(number: int, message: LLMMessage) -> str:
    source = getattr(message, "source", None)
    by = f" of {source!r}" if source else ""
    return f"message {number} ({type(message).__name__}{by})"
