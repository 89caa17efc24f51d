"""Messages as JSON-able data, and back, so that one message of a run is one object again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from supervisor._autogen import upstream
from supervisor._autogen.checkpoints import messages
from supervisor._autogen.messages import Item

Dump = Callable[[Any], Any]
Parse = Callable[[Any], Any]


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
    """

    def __init__(self, types: Mapping[str, type[Item]], run_id: str = "") -> None:
        self._types = types
        self._run_id = run_id
        self._known: dict[str, tuple[Any, Any]] = {}  # by the id: its data, and the message

    def parse(self, data: Any) -> Any:
        """Return a message; the same object for the same message.

        Raises:
            UnknownMessage: The team does not know its type.
            CheckpointCorrupt: It is no message.
        """
        id_: Any = data.get("id") if data.__class__ is dict else None
        known = self._known.get(id_) if isinstance(id_, str) else None
        if known is not None and known[0] == data:
            return known[1]
        message = messages.parse(data, self._types, self._run_id)
        if isinstance(id_, str):
            self._known[id_] = (data, message)
        return message
