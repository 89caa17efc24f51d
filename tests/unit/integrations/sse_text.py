"""Reads server-sent events as the HTML standard says: what a browser would make of these bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Received:
    """One event, as it is dispatched.

    Args:
        event: Its type.
        data: Its data.
        id: The last event id.
    """

    event: str
    data: str
    id: str

    @property
    def facts(self) -> dict[str, Any]:
        """The data, which is a JSON object."""
        found: dict[str, Any] = json.loads(self.data)
        return found


def received(body: bytes) -> list[Received]:
    """Return the events that a browser dispatches for a response with this body."""
    return list(_dispatched(body.decode()))


def _dispatched(text: str) -> Iterator[Received]:
    event, data, last_id = "", list[str](), ""
    for line in re.split("\r\n|\r|\n", text):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Received(event or "message", "\n".join(data), last_id)
            event, data = "", []
        elif name == "event":
            event = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            last_id = value
