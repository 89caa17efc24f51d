"""The events of a run, on their way from the driver to whoever reads them."""

from __future__ import annotations

import asyncio
import enum
import math
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

E = TypeVar("E")


class Role(enum.Enum):
    """What becomes of an event."""

    KEPT = "is shown, and kept for the result"
    SHOWN = "is only shown"
    HIDDEN = "is neither shown nor kept"
    RESULT = "is the result, and comes last"


# On the hot path: to look up a member of an Enum takes as long as to look up a dictionary entry.
_KEPT = Role.KEPT


class Channel(Generic[E]):
    """Events, in order; those who wait for them; and those that are kept for the result.

    Args:
        role: Tells what becomes of an event.
        ahead: How many events may wait for a reader before the driver waits too. 0: the driver goes
            on only when a reader asks for more.
        keeps_read: Whether what a loop has read is kept for the result as well.
    """

    def __init__(
        self, role: Callable[[E], Role], *, ahead: int = 0, keeps_read: bool = False
    ) -> None:
        self.is_iterated: bool = False
        """Whether events wait for a loop; otherwise each counts as delivered when it comes."""
        self._kept: list[E] = []
        self._role = role
        self._ahead: float = ahead
        self._keeps_read = keeps_read
        self._events: deque[E] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        self._room: asyncio.Future[None] | None = None

    def put(self, event: E) -> None:
        """Take an event from the driver."""
        if not self.is_iterated:
            self._keep(event)
            return
        self._events.append(event)
        if self._waiting:
            self.wake_readers()

    def offer(self, event: E) -> bool:
        """Take an event past the driver, unless the driver would wait for the reader after it."""
        if len(self._events) + 1 >= self._ahead:
            return False
        self.put(event)
        return True

    def _keep(self, event: E) -> None:
        if self._role(event) is _KEPT:
            self._kept.append(event)

    @property
    def is_full(self) -> bool:
        """Whether the driver is to wait for the reader."""
        return len(self._events) >= self._ahead and self.is_iterated

    @property
    def is_empty(self) -> bool:
        """Whether no event waits."""
        return not self._events

    @property
    def unread(self) -> int:
        """How many events wait."""
        return len(self._events)

    async def until_room(self) -> None:
        """Wait for the reader."""
        self._room = asyncio.get_running_loop().create_future()
        await self._room

    def pop(self) -> E:
        """Deliver the next event."""
        event = self._events.popleft()
        if self._keeps_read:
            self._keep(event)
        if self._room is not None and self._ahead:
            self.make_room()
        return event

    def deliver_all(self) -> None:
        """Deliver what waits, and whatever comes, to nobody in particular."""
        self.is_iterated = False
        self.withhold()
        self.make_room()

    def withhold(self) -> None:
        """Yield nothing of what waits; what is to be kept of it is left to the result."""
        while self._events:
            self._keep(self._events.popleft())

    def held(self) -> list[E]:
        """Return what was kept, and what is to be kept of that which waits."""
        return [*self._kept, *(event for event in self._events if self._role(event) is _KEPT)]

    @property
    def held_count(self) -> int:
        """How many these are."""
        return len(self._kept) + sum(self._role(event) is _KEPT for event in self._events)

    def held_from(self, start: int) -> list[E]:
        """Return the same from a place on."""
        waiting = [event for event in self._events if self._role(event) is _KEPT]
        return [*self._kept[start:], *waiting[max(0, start - len(self._kept)) :]]

    def wait(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Return what a reader waits for: the next event, or the end."""
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        return waiter

    def wake(self) -> None:
        """Have the driver and all readers look again."""
        self.make_room()
        self.wake_readers()

    def wake_readers(self) -> None:
        """Have the readers look again."""
        while self._waiting:
            waiter = self._waiting.pop()
            if not waiter.done():
                waiter.set_result(None)

    def end_waiting(self) -> None:
        """Have the driver go on, and wait for the reader no more."""
        self._ahead = math.inf
        self.make_room()

    def make_room(self) -> None:
        """Have the driver go on."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None
