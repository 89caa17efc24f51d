"""The events of a run, on their way from the driver to whoever reads them."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from typing import Final, cast

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    ModelClientStreamingChunkEvent,
)

Item = BaseAgentEvent | BaseChatMessage
Event = Item | TaskResult

# How far the driver may be ahead of the user's loop. An agent's stream would fill the memory for a
# slow reader; a team's fills AutoGen's own queue, as it does without us.
_AHEAD: Final = 256


class Role(enum.Enum):
    """What becomes of an event."""

    MESSAGE = "is kept"
    CHUNK = "is only shown"
    RESULT = "comes last"


# By class: `isinstance` with one of pydantic's costs half a microsecond, for each streamed chunk.
_roles: dict[type, Role] = {}


def role(event: Event) -> Role:
    """What becomes of an event."""
    found = _roles.get(type(event))
    if found is None:
        is_chunk = isinstance(event, ModelClientStreamingChunkEvent)
        other = Role.RESULT if isinstance(event, TaskResult) else Role.MESSAGE
        found = _roles[type(event)] = Role.CHUNK if is_chunk else other
    return found


# On the hot path: to look up a member of an Enum takes as long as to look up a dictionary entry.
_MESSAGE = Role.MESSAGE


class Channel:
    """Events, in order; those who wait for them; and the messages among them, for the result."""

    def __init__(self) -> None:
        self.keeps = False
        """Whether events wait for a reader; otherwise they are delivered as they come."""
        self.delivered: list[Item] = []
        """The messages that were delivered, or that nobody is to see before the result."""
        self._events: deque[Event] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        self._room: asyncio.Future[None] | None = None

    def put(self, event: Event) -> None:
        """Take an event from the driver."""
        if not self.keeps:
            self._deliver(event)
            return
        self._events.append(event)
        if self._waiting:
            self.wake_readers()

    def offer(self, event: Event) -> bool:
        """Take an event past the driver, unless the driver would wait for the reader after it."""
        if len(self._events) + 1 >= _AHEAD:
            return False
        self.put(event)
        return True

    def _deliver(self, event: Event) -> None:
        if role(event) is _MESSAGE:
            self.delivered.append(cast(Item, event))

    @property
    def is_full(self) -> bool:
        """Whether the driver is to wait for the reader."""
        return len(self._events) >= _AHEAD

    @property
    def is_empty(self) -> bool:
        """Whether no event waits."""
        return not self._events

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return len(self._events)

    async def until_room(self) -> None:
        """Wait for the reader."""
        self._room = asyncio.get_running_loop().create_future()
        await self._room

    def pop(self) -> Event:
        """Deliver the next event."""
        event = self._events.popleft()
        self._deliver(event)
        if self._room is not None:
            self._make_room()
        return event

    def deliver_all(self) -> None:
        """Deliver what waits, and whatever comes, to nobody in particular."""
        self.keeps = False
        while self._events:
            self._deliver(self._events.popleft())
        self._make_room()

    def withhold(self) -> None:
        """Yield nothing of what waits; its messages are left to the result."""
        while self._events:
            self._deliver(self._events.popleft())

    def held(self) -> list[Item]:
        """The messages that were delivered, and those that wait."""
        waiting = [cast(Item, event) for event in self._events if role(event) is _MESSAGE]
        return [*self.delivered, *waiting]

    def notice(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """What a reader waits for: the next event, or the end."""
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        return waiter

    def wake(self) -> None:
        """Have everybody look again."""
        self._make_room()
        self.wake_readers()

    def wake_readers(self) -> None:
        """Have the readers look again."""
        while self._waiting:
            waiter = self._waiting.pop()
            if not waiter.done():
                waiter.set_result(None)

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None
