"""An agent for tests: it follows a script, streams, and needs no model.

Its answers depend on its transcript, as those of `ScriptedModel` do. The supervisor rewinds lists
of messages after an interrupted turn, so the same turn gets the same answer again.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from typing import Any, Final, TypeAlias, cast

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    HandoffMessage,
    MessageFactory,
    ModelClientStreamingChunkEvent,
    StopMessage,
    TextMessage,
    ToolCallSummaryMessage,
)
from autogen_core import CancellationToken

from supervisor.testing._model import answer_of, digest

Answer: TypeAlias = str | BaseChatMessage | BaseException
"""An answer: a text, a message, or an exception to be raised."""

_Item: TypeAlias = str | BaseAgentEvent | BaseChatMessage

Turn: TypeAlias = Callable[
    [Sequence[BaseChatMessage], CancellationToken],
    Answer | Awaitable[Answer] | AsyncIterator[_Item],
]
"""Takes a turn; it is called with the agent's transcript and the token of the run.

An async generator function may be annotated with either: AsyncIterator or AsyncGenerator.
"""

_PRODUCED: Final = (TextMessage, HandoffMessage, StopMessage, ToolCallSummaryMessage)


class ScriptedAgent(BaseChatAgent):
    """An agent that needs no model, for every class of teams.

    Args:
        name: Its name.
        script: The answers in order: a transcript with n of its answers gets the next one. Or a
            function that takes a turn; it may also be one of the answers. The function gets the
            transcript and the token. It returns an answer, or is a coroutine function that does.
            Or it is an async generator function: each text that it yields is streamed as a chunk,
            each event is passed on, and a message is the answer and ends the turn. Without a
            message, the chunks together are the answer. None answers with a fingerprint of the
            transcript: two runs give the same answers only if their agents got the same messages.
        description: The description for a model that selects the next speaker.

    Example:
        ```python
        async def think(messages, token):
            yield "To be "
            await asyncio.sleep(1)
            yield "or not to be."

        team = RoundRobinGroupChat([ScriptedAgent("poet", think), ScriptedAgent("critic", ["No."])])
        ```
    """

    def __init__(
        self,
        name: str,
        script: Sequence[Answer | Turn] | Turn | None = None,
        *,
        description: str = "An agent that follows a script.",
    ) -> None:
        super().__init__(name, description)
        self._script = script
        self.transcript: list[BaseChatMessage] = []
        """What it has heard and said."""
        self.answers: list[BaseChatMessage] = []
        """What it has said: their number is the place in the script."""
        self.is_working: asyncio.Event = asyncio.Event()
        """Set as a turn begins. Clear it to wait for the next one."""

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """Texts, handoffs, stops and summaries of tool calls."""
        return _PRODUCED

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Take a turn without streaming it.

        Raises:
            IndexError: The script has ended.
        """
        *_, response = [
            item async for item in self.on_messages_stream(messages, cancellation_token)
        ]
        return cast("Response", response)

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        """Take a turn.

        Raises:
            IndexError: The script has ended.
        """
        self.transcript.extend(messages)
        self.is_working.set()
        events: list[BaseAgentEvent | BaseChatMessage] = []
        async with contextlib.aclosing(self._take_turn(cancellation_token)) as items:
            async for item in items:
                if isinstance(item, BaseChatMessage):
                    self.transcript.append(item)
                    self.answers.append(item)
                    yield Response(chat_message=item, inner_messages=events)
                    return
                if not isinstance(item, ModelClientStreamingChunkEvent):
                    events.append(item)
                yield item

    async def _take_turn(
        self, token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage, None]:
        """Yield the events of a turn, and then its answer."""
        turn = self._look_up()
        answer = turn(self.transcript, token) if callable(turn) else turn
        if isinstance(answer, AsyncIterator):
            chunks = list[str]()
            async with contextlib.aclosing(cast("AsyncGenerator[_Item, None]", answer)) as items:
                async for item in items:
                    if isinstance(item, str):
                        chunks.append(item)
                        yield ModelClientStreamingChunkEvent(content=item, source=self.name)
                    else:
                        yield item
            answer = "".join(chunks)
        elif inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        yield TextMessage(content=answer, source=self.name) if isinstance(answer, str) else answer

    def _look_up(self) -> Answer | Turn:
        if self._script is None:
            heard = digest(*(f"{m.source}: {m.to_text()}" for m in self.transcript))
            return f"answer {len(self.answers)} to {heard}"
        if callable(self._script):
            return self._script
        return answer_of(self._script, len(self.answers))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:  # noqa: ARG002
        """Forget the transcript."""
        self.transcript.clear()
        self.answers.clear()

    async def save_state(self) -> Mapping[str, Any]:
        """Return the transcript."""
        return {
            "transcript": [message.dump() for message in self.transcript],
            "answers": [message.dump() for message in self.answers],
        }

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved transcript."""
        load = MessageFactory().create
        self.transcript = [cast("BaseChatMessage", load(each)) for each in state["transcript"]]
        self.answers = [cast("BaseChatMessage", load(each)) for each in state["answers"]]
