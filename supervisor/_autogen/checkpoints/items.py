"""Messages as JSON-able data, and back, so that one message of a run is one object again."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from supervisor._autogen import upstream
from supervisor._autogen.checkpoints import messages
from supervisor._autogen.messages import Item

Dump = Callable[[Any], Any]
Parse = Callable[[Any], Any]
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Has a job done in a thread, and waits for what it returns."""

_PORTION: Final = 500  # messages: some hundredths of a second, for which other jobs wait


def types_of(things: Iterable[object]) -> dict[str, type[Item]]:
    """Return the types of messages that teams know, and those that AutoGen knows by itself."""
    found = messages.known_types()
    for thing in things:
        found.update(upstream.message_types(thing))
    return found


class Items:
    """The messages of a run that was read.

    Args:
        types: The message types that its team knows, by their names.
        run_id: The run; for errors.
        logs: Its logs, of which `parse_ahead` parses the items.
    """

    def __init__(
        self,
        types: Mapping[str, type[Item]],
        run_id: str = "",
        logs: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self._types = types
        self._run_id = run_id
        self._left = deque(
            items[start : start + _PORTION]
            for items in (logs or {}).values()
            for start in range(0, len(items), _PORTION)
        )
        self._ahead: dict[int, tuple[Any, Any]] = {}  # by the id() of the data: that, the message
        self._known: dict[str, tuple[Any, Any]] = {}  # by the id: its data, and the message

    def parse(self, data: Any) -> Any:
        """Return a message; the same object for the same message.

        Raises:
            UnknownMessage: The team does not know its type.
            CheckpointCorrupt: It is no message.
        """
        ahead = self._ahead.get(id(data))
        if ahead is not None:
            return ahead[1]
        id_: Any = data.get("id") if data.__class__ is dict else None
        known = self._known.get(id_) if isinstance(id_, str) else None
        if known is not None and known[0] == data:
            return known[1]
        message = messages.parse(data, self._types, self._run_id)
        if isinstance(id_, str):
            self._known[id_] = (data, message)
        return message

    async def parse_ahead(self, in_thread: InThread) -> None:
        """Parse the logs, so that the loop need not: ten thousand messages take a second."""
        while self._left:
            await in_thread(self._parse_portion)

    def _parse_portion(self) -> None:
        for data in self._left.popleft():
            with contextlib.suppress(Exception):  # whoever needs this one is told
                self._ahead[id(data)] = data, self.parse(data)


async def at_once(job: Callable[[], Any]) -> Any:
    """Do a job in this thread, where no loop is kept waiting."""
    return job()
