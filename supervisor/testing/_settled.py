"""A check that nothing of a team is still at work or was left half done."""

from __future__ import annotations

from collections.abc import Iterator

from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import BaseGroupChat
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage

from supervisor._autogen.upstream import messages_of
from supervisor._autogen.upstream.snapshot import inspect, thread
from supervisor._autogen.walk import walk
from supervisor.testing._transcript import TranscriptError, check_transcript


def assert_settled(thing: object) -> None:
    """Check that nothing of a team or an agent is at work, and that nothing was left half done.

    This includes each team inside it: members, the inner team of a society, a wrapped agent, the
    team behind a tool. No team runs, no message waits, all counts are zero, no answer is awaited,
    no lock is held, no message waits twice for an agent, and each model context has a transcript
    that providers accept.

    Args:
        thing: A team or an agent.

    Raises:
        AssertionError: Something is left; the message lists everything that is.

    Example:
        ```python
        await sup.stream(team, "Write a haiku")
        assert_settled(team)
        ```
    """
    left: list[str] = []
    for found in walk(thing):
        if isinstance(found, BaseGroupChat):
            left += [f"{found.name}: {what}" for what in inspect(found).left()]
        elif isinstance(found, ChatCompletionContext):
            left += _broken(messages_of(found) or [])
    assert not left, "not settled: " + "; ".join(left)


def said(thing: object) -> list[tuple[str, str]]:
    """Return the messages in the team's thread so far: who said what.

    For a single agent, its own messages in its model contexts. Messages of "user" are left out.
    """
    if isinstance(thing, BaseGroupChat):
        chat = [message for message in thread(thing) if isinstance(message, BaseChatMessage)]
        return [(m.source, m.to_text()) for m in chat if m.source != "user"]
    own = [m for m in _remembered(thing) if isinstance(m, AssistantMessage)]
    return [(m.source, m.content) for m in own if isinstance(m.content, str)]


def has_taken(thing: object, message: BaseChatMessage) -> bool:
    """Return whether a team or an agent has taken this message as its task."""
    if isinstance(thing, BaseGroupChat):
        return any(found.id == message.id for found in thread(thing))
    text = message.to_model_text()
    return any(isinstance(m, UserMessage) and m.content == text for m in _remembered(thing))


def _remembered(thing: object) -> list[LLMMessage]:
    contexts = [found for found in walk(thing) if isinstance(found, ChatCompletionContext)]
    return [message for context in contexts for message in messages_of(context) or []]


def _broken(messages: list[LLMMessage]) -> Iterator[str]:
    try:
        check_transcript(messages, user_first=False)
    except TranscriptError as error:
        yield f"a model context is malformed ({error})"
