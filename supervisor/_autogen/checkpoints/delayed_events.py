"""Events that are delayed until what they say is written: `durability="sync"`."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, cast

from supervisor._autogen.messages import Event, Item, TaskResult, role
from supervisor._checkpoints.snapshot import Snapshot
from supervisor._core.channel import Channel, Role


class DelayedEvents:
    """The events of one run on their way to whoever reads them.

    A chunk of an answer that is still being made passes, where nothing waits before it.

    Args:
        channel: Where they are read.
    """

    def __init__(self, channel: Channel[Event]) -> None:
        self._channel = channel
        self._waiting: deque[Event] = deque()
        self._durable: set[str | None] = set()

    async def pass_on(self, stream: AsyncIterator[Event]) -> AsyncIterator[Event]:
        """Yield those that may be read at once."""
        try:
            async for event in stream:
                if isinstance(event, TaskResult) or self._may_pass(event):
                    yield event
                else:
                    self._waiting.append(event)
        finally:
            await cast(Any, stream).aclose()

    def _may_pass(self, event: Event) -> bool:
        if self._waiting:
            return False
        return role(event) is not Role.KEPT or _id(event) in self._durable

    def said_from(self, place: int) -> Sequence[Item]:
        """Return what was said from a place on, also what waits."""
        waiting = [event for event in self._waiting if role(event) is Role.KEPT]
        first = max(0, place - self._channel.held_count)
        return cast("Sequence[Item]", [*self._channel.held_from(place), *waiting[first:]])

    def written(self, snapshot: Snapshot) -> None:
        """Let go of what this snapshot has, which is durable now."""
        self._durable.update(_ids(snapshot))
        while self._waiting and self._is_durable(self._waiting[0]):
            self._channel.put(self._waiting.popleft())

    def _is_durable(self, event: Event) -> bool:
        return role(event) is not Role.KEPT or _id(event) in self._durable

    def let_go(self) -> None:
        """Let go of all that waits: the run has ended, and that is durable."""
        while self._waiting:
            self._channel.put(self._waiting.popleft())


def _id(event: Event) -> str | None:
    return None if isinstance(event, TaskResult) else event.id


def _ids(snapshot: Snapshot) -> Iterable[str | None]:
    """Return the ids of the messages that a snapshot has of the output."""
    items: list[Any] = [*cast("Sequence[Any]", snapshot.rest.get("late", ()))]
    for change in snapshot.changes:
        if change.log in ("shown", "output"):
            items.extend(change.items)
    return (item.get("id") for item in items)  # None: of a user's type that writes none
