"""An agent whose work is a function of the test, for any runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from autogen_core import MessageContext, RoutedAgent, message_handler


@dataclass
class Text:
    """A message."""

    content: str


Work = Callable[[str], Awaitable[str]]


async def echo(text: str) -> str:
    """Answer at once."""
    return f"{text}!"


class Answerer(RoutedAgent):
    """Answers a request by a function of the test."""

    def __init__(self, work: Work) -> None:
        super().__init__("answers")
        self._work = work

    @message_handler
    async def answer(self, message: Text, ctx: MessageContext) -> Text:  # noqa: D102
        return Text(await self._work(message.content))


@dataclass
class Gate:
    """Work that shows when it has begun, and goes on when it is released."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    ended: list[str] = field(default_factory=list[str])

    async def __call__(self, text: str) -> str:
        """Wait for the gate."""
        self.begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append("finished")
        return f"{text}!"


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a fact that nothing reports; the test's time-out bounds it."""
    while not condition():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)
