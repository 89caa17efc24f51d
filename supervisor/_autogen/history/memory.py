"""What agents remember: saved before a turn, rewound or closed after an interrupted one.

An `AssistantAgent` puts what it is given into its model context before it asks the model, and the
model's request for tools before it calls them. After an interruption it would be given the same
again, and its model would find calls without results, which OpenAI's and Anthropic's refuse.

A savepoint is a copy of the lists of messages within an agent, at any depth. Not chosen:
`save_state()`, which writes each message out, for each turn.

Where it falls short: an agent of the user's that remembers in another way than in a model context
or in lists of messages is not rewound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, cast

from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, HandoffMessage
from autogen_core import FunctionCall
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from supervisor._autogen import upstream
from supervisor._autogen.history.tool_calls import KnownCall, interrupted
from supervisor._autogen.repair_thread import drive_sync

_MESSAGES: Final = (
    AssistantMessage,
    BaseAgentEvent,
    BaseChatMessage,
    FunctionExecutionResultMessage,
    SystemMessage,
    UserMessage,
)


class _List(NamedTuple):
    """A list of messages that an object keeps in an attribute."""

    owner: object
    attribute: str
    items: list[Any]


class MemorySavepoint:
    """What the components of an agent remember at one moment.

    Args:
        things: Model contexts, agents, anything with lists of messages for attributes.
    """

    def __init__(self, things: Iterable[object]) -> None:
        self.contexts: list[ChatCompletionContext] = []
        """The model contexts among them."""
        self._saved: list[tuple[ChatCompletionContext, list[LLMMessage]]] = []
        self._lists: list[_List] = []
        for thing in things:
            if isinstance(thing, ChatCompletionContext):
                self._save_context(thing)
            else:
                self._save_lists(thing)

    def _save_context(self, context: ChatCompletionContext) -> None:
        self.contexts.append(context)
        messages = upstream.messages_of(context)
        if messages is not None:
            self._saved.append((context, list(messages)))

    @property
    def is_whole(self) -> bool:
        """Whether all of it can be rewound. A user's context may keep messages in its own way."""
        return len(self._saved) == len(self.contexts)

    def _save_lists(self, owner: object) -> None:
        held: dict[str, Any] = getattr(owner, "__dict__", {})
        for name in [name for name, value in held.items() if is_list_of_messages(value)]:
            self._lists.append(_List(owner, name, list(held[name])))

    def rewind_context(self, context: object) -> None:
        """Rewind one model context to that moment."""
        for mine, messages in self._saved:
            if mine is context:
                upstream.put_messages(mine, list(messages))

    def rewind(self) -> None:
        """Rewind everything to that moment."""
        for context, messages in self._saved:
            upstream.put_messages(context, list(messages))
        for owner, attribute, items in self._lists:
            now: Any = getattr(owner, attribute, None)
            if is_list_of_messages(now):
                now[:] = items

    def remembered(self) -> Iterator[tuple[object, str, list[Any]]]:
        """Yield each model context, and each list by its owner and attribute, as it was then."""
        for context, messages in self._saved:
            yield context, "", messages
        yield from self._lists

    def differs_from(self, earlier: MemorySavepoint) -> bool:
        """Return whether something of it was another list, or had other messages, earlier."""
        before = {(id(owner), name): items for owner, name, items in earlier.remembered()}
        return any(
            [*map(id, items)] != [*map(id, before.get((id(owner), name), ()))]
            for owner, name, items in self.remembered()
        )

    def added(self) -> list[list[LLMMessage]]:
        """Return the messages that each model context has got since."""
        return [
            (upstream.messages_of(context) or [])[len(before) :] for context, before in self._saved
        ]

    def taken(self, agent: object, task: Sequence[BaseChatMessage]) -> list[LLMMessage] | None:
        """Return the task as an agent has taken it into its own model context since.

        Returns:
            None where it has no context of its own, or has not taken all of the task.
        """
        context = getattr(agent, "model_context", None)
        given = [message.content for message in as_context_takes(task)]
        for mine, before in self._saved:
            if mine is context:
                taken = (upstream.messages_of(mine) or [])[len(before) :][: len(given)]
                return taken if given and [m.content for m in taken] == given else None
        return None


def is_list_of_messages(items: Any) -> bool:
    """Return whether something is a list of messages; an empty list may become one."""
    # The last one tells: a list of ten thousand is looked at before each turn.
    return type(items) is list and (not items or isinstance(items[-1], _MESSAGES))


def as_context_takes(messages: Sequence[BaseChatMessage]) -> list[LLMMessage]:
    """Return what AutoGen's agents put into their model context of what they are given."""
    taken: list[LLMMessage] = []
    for message in messages:
        taken.extend(message.context if isinstance(message, HandoffMessage) else [])
        taken.append(message.to_model_message())
    return taken


def count_taken(context: Sequence[LLMMessage], given: Sequence[BaseChatMessage]) -> int:
    """Count the messages that an agent's context has got, of those that the agent was given.

    Args:
        context: What it holds; the agent was interrupted as it took them, or as it answered.
        given: What it was given.
    """
    have: list[object] = [message.content for message in context]
    ends = [len(have)]
    if context and isinstance(context[-1], AssistantMessage):
        ends.append(len(have) - 1)
    for count in range(len(given), 0, -1):
        wanted: list[object] = [message.content for message in as_context_takes(given[:count])]
        if any(have[:end][-len(wanted) :] == wanted for end in ends):
            return count
        del ends[1:]  # an agent that answers has taken all
    return 0


# -- calls without results ----------------------------------------------------------------------


Closed = tuple[FunctionCall, FunctionExecutionResult]
"""A tool call, and the result that stands behind it in a model context."""


def close_calls(
    context: ChatCompletionContext, calls: Sequence[KnownCall], *, are_all: bool
) -> list[Closed]:
    """Give a result to each tool call in a model context that has none.

    That is the tool's result, where the tool has ended; else one that says "interrupted". A request
    of which no call was started is taken back.

    Args:
        context: The context; nothing works on it.
        calls: The calls that were carried out, or begun.
        are_all: Whether these are all calls: an agent of the user's may make its own.

    Returns:
        The calls of the last request, unless it was taken back, and their results.
    """
    own = upstream.messages_of(context)
    messages = drive_sync(context.get_messages()) if own is None else own
    place = _last_request(messages)
    if place is None:
        return []
    wanted = cast("list[FunctionCall]", messages[place].content)
    known = {call.id: _known(call, calls) for call in wanted}
    answer = messages[place + 1] if place + 1 < len(messages) else None
    have = answer.content if isinstance(answer, FunctionExecutionResultMessage) else []
    has_begun = any(call is not None and call.has_started for call in known.values())
    if not have and are_all and not has_begun and own is not None:
        del own[place]
        return []
    # A handoff takes effect by the answer that was not given: its model is to make it again.
    undone = {id_ for id_, call in known.items() if call is not None and call.is_handoff}
    have[:] = [result for result in have if result.call_id not in undone]
    answered = {result.call_id for result in have}
    results = [_result(call, known[call.id]) for call in wanted if call.id not in answered]
    by_id = {result.call_id: result for result in (*have, *results)}
    if isinstance(answer, FunctionExecutionResultMessage):
        answer.content.extend(results)
    elif own is not None:
        own.insert(place + 1, FunctionExecutionResultMessage(content=results))
    else:
        drive_sync(context.add_message(FunctionExecutionResultMessage(content=results)))
    return [(call, by_id[call.id]) for call in wanted]


def wanted_last(context: ChatCompletionContext) -> list[FunctionCall]:
    """Return the calls of the last request for tools in a model context."""
    own = upstream.messages_of(context)
    messages = drive_sync(context.get_messages()) if own is None else own
    place = _last_request(messages)
    return [] if place is None else cast("list[FunctionCall]", messages[place].content)


def _last_request(messages: Sequence[LLMMessage]) -> int | None:
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        if isinstance(message, AssistantMessage) and not isinstance(message.content, str):
            return place
    return None


def _known(wanted: FunctionCall, calls: Sequence[KnownCall]) -> KnownCall | None:
    # By identity: two agents may use the same ids.
    return next((call for call in calls if call.call is wanted), None)


def _result(wanted: FunctionCall, call: KnownCall | None) -> FunctionExecutionResult:
    found = call.result if call is not None and not call.is_handoff else None
    if found is not None:
        return found
    return interrupted(wanted, has_begun=call is None or (call.has_started and not call.is_handoff))


def holds_results(messages: Iterable[LLMMessage]) -> bool:
    """Return whether a tool's result is among these messages."""
    return any(isinstance(message, FunctionExecutionResultMessage) for message in messages)
