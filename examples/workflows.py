"""The agents and workflows that examples stop: ordinary Agent Framework, except for the model.

`ScriptedClient` streams the answers of a script, word by word, through the framework's own layers.
It needs no key and no network.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any

from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    ChatResponseUpdate,
    CheckpointStorage,
    Content,
    FunctionInvocationLayer,
    Message,
    ResponseStream,
    Workflow,
    WorkflowBuilder,
    WorkflowEvent,
)

Said = str | Content
"""An answer: a text, or a function call."""


class _Scripted(BaseChatClient[Any]):
    def __init__(self, said: Sequence[Said], seconds: float) -> None:
        super().__init__()
        self._said = said
        self._seconds = seconds

    def _inner_get_response(
        self,
        *,
        messages: Sequence[Message],
        stream: bool,
        options: Mapping[str, Any],
        **kwargs: Any,
    ) -> Awaitable[ChatResponse[Any]] | ResponseStream[ChatResponseUpdate, ChatResponse[Any]]:
        _refuse_open_calls(messages)
        answers = sum(message.role == "assistant" for message in messages)
        updates = self._build_response_stream(self._updates(self._said[answers % len(self._said)]))
        return updates if stream else updates.get_final_response()

    async def _updates(self, said: Said) -> AsyncIterator[ChatResponseUpdate]:
        for content in _contents(said):
            await asyncio.sleep(self._seconds)
            yield ChatResponseUpdate(role="assistant", contents=[content])


class ScriptedClient(FunctionInvocationLayer[Any], _Scripted):
    """A chat client that gives its answers in turn, and starts over after the last.

    It refuses messages with a function call that has no result, as a provider does.

    Args:
        said: Its answers.
        seconds: Seconds for each word.
    """

    def __init__(self, *said: Said, seconds: float = 0.0) -> None:
        super().__init__(said=said, seconds=seconds)


def agent(name: str, *said: Said, seconds: float = 0.0, **more: Any) -> Agent:
    """Make an agent that gives these answers."""
    return Agent(ScriptedClient(*said, seconds=seconds), name=name, **more)


def report(storage: CheckpointStorage, seconds: float = 0.1) -> Workflow:
    """Return three agents that make a report, each in a superstep of its own.

    Args:
        storage: Where the workflow keeps a checkpoint after each superstep.
        seconds: Seconds for each word.
    """
    reader = agent("reader", "Tides: the sea rises twice a day, and falls twice.", seconds=seconds)
    writer = agent("writer", "Twice a day the sea comes, twice it goes.", seconds=seconds)
    editor = agent("editor", "The sea comes and goes, twice a day.", seconds=seconds)
    builder = WorkflowBuilder(start_executor=reader, checkpoint_storage=storage, name="report")
    return builder.add_edge(reader, writer).add_edge(writer, editor).build()


def ends_superstep(event: WorkflowEvent[Any]) -> bool:
    """Return whether a superstep is over, and its checkpoint written."""
    return event.type == "superstep_completed"


def _contents(said: Said) -> list[Content]:
    if isinstance(said, str):
        return [Content.from_text(f"{word} ") for word in said.split()]
    return [said]


def _refuse_open_calls(messages: Sequence[Message]) -> None:
    contents = [content for message in messages for content in message.contents]
    called = {content.call_id for content in contents if content.type == "function_call"}
    answered = {content.call_id for content in contents if content.type == "function_result"}
    if called != answered:
        raise ValueError(f"no result of {sorted(map(str, called - answered))}")
