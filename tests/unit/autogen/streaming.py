"""Teams that stream chunks, and what observes them; for the tests of the fast path."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from autogen_agentchat.base import ChatAgent, Response, TaskResult, Team
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, ThoughtEvent
from autogen_agentchat.messages import ModelClientStreamingChunkEvent as Chunk
from autogen_agentchat.teams import BaseGroupChat
from autogen_core import CancellationToken, SingleThreadedAgentRuntime
from opentelemetry.trace import NoOpTracer, get_current_span

from supervisor import Supervisor
from tests.agents import Agent

AnyTeam = Team | ChatAgent


IN_RESULT = "in the result"


class Streaming(Agent):
    """An agent that streams chunks, with a step of the loop after each where it pauses.

    Args:
        name: Its name.
        n: How many.
        pauses: Whether it lets the loop go on.
        says: What it says before each chunk, without a pause in between.
    """

    def __init__(
        self, name: str = "streaming", n: int = 4, *, pauses: bool = True, says: str | None = None
    ) -> None:
        super().__init__(name)
        self.n, self.pauses, self.says = n, pauses, says
        self.spans: list[Any] = []

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        """Stream, and answer."""
        for number in range(self.n):
            self.spans.append(get_current_span())
            if self.says is not None:
                yield ThoughtEvent(content=f"{self.says} {number}", source=self.name)
            yield Chunk(content=str(number), source=self.name)
            if self.pauses:
                await asyncio.sleep(0)
        async for item in super().on_messages_stream(messages, cancellation_token):
            yield item


async def told(events: AsyncIterable[Any]) -> list[tuple[str, str, str]]:
    """Return what a reader sees: for each event its class, its source, and its text."""
    found = list[tuple[str, str, str]]()
    async for event in events:
        if isinstance(event, TaskResult):
            found += [(IN_RESULT, *_words(message)) for message in event.messages]
        else:
            found.append((type(event).__name__, *_words(event)))
    return found


def _words(event: Any) -> tuple[str, str]:
    return event.source, re.sub(r"call-[0-9a-f]+", "call", str(event.to_text()))


@contextmanager
def through_runtime() -> Generator[list[str]]:
    """Collect the chunks that go through a runtime meanwhile."""
    loop, found = asyncio.get_running_loop(), list[str]()

    def make(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        if getattr(coro, "__name__", "") == "_process_publish":
            message = getattr(coro.cr_frame.f_locals["message_envelope"].message, "message", None)
            if isinstance(message, Chunk):
                found.append(message.content)
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(make)
    try:
        yield found
    finally:
        loop.set_task_factory(None)


async def stream(group: AnyTeam, *, fast_path: bool = True) -> list[tuple[str, str, str]]:
    """Run a team under a supervisor, and return what its reader sees."""
    seen = list[tuple[str, str, str]]()
    async with Supervisor(signals={}, fast_path=fast_path) as sup:
        seen += await told(sup.stream(group, "go"))
    return seen


Violation = Callable[[BaseGroupChat], Any]


def runtime_of(group: BaseGroupChat) -> SingleThreadedAgentRuntime:
    """Return a team's own runtime."""
    assert isinstance(group._runtime, SingleThreadedAgentRuntime)
    return group._runtime


class Records(logging.Handler):
    """A log handler that keeps all records."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        self.kept.append(record)


@contextmanager
def logged(name: str) -> Generator[Records]:
    """Keep what a logger gets meanwhile, from INFO on."""
    logger, handler = logging.getLogger(name), Records()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class Recorder(NoOpTracer):
    """A tracer that remembers the names of its spans."""

    def __init__(self) -> None:
        self.spans: list[str] = []

    def start_as_current_span(self, name: str, *args: Any, **options: Any) -> Any:
        """Remember the name."""
        self.spans.append(name)
        return super().start_as_current_span(name, *args, **options)


def counting_calls(cls: Any, name: str) -> Violation:
    """Count the calls of a method of AutoGen's, as a tracing library does."""

    @contextmanager
    def wrap(_: BaseGroupChat) -> Generator[None]:
        method, count = getattr(cls, name), 0

        @functools.wraps(method)
        def wrapper(*args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            return method(*args, **options)

        setattr(cls, name, wrapper)
        try:
            yield
            assert count >= 4
        finally:
            setattr(cls, name, method)

    return wrap
