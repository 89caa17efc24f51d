"""One event of a stream, and its bytes as a server-sent event.

The format is that of the HTML standard: fields by line, and an empty line behind each event. There
a line ends with CR LF, CR or LF, and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LINE_END: Final = re.compile("\r\n|\r|\n")

LAST: Final = frozenset({"finished", "stopped", "failed"})
"""The names of the events that end a stream."""

KEEP_ALIVE: Final = b": keep-alive\n\n"
"""A comment, which every reader ignores."""


@dataclass(frozen=True, kw_only=True)
class StreamEvent:
    """One event of a stream, with the fields of a server-sent event.

    Args:
        event: Its name: `message`, `chunk`, and last one of `finished`, `stopped` and `failed`.
        data: The event as JSON, on one line.
        id: The number of the event in its stream, from 1 on.
        retry: Milliseconds after which a browser may connect again; None to leave it as it is.
    """

    event: str
    data: str
    id: str | None = None
    retry: int | None = None

    @property
    def is_last(self) -> bool:
        """Whether it tells how the run has ended, and no other follows."""
        return self.event in LAST

    def encode(self) -> bytes:
        """Return the bytes of this event in a response of the type `text/event-stream`.

        Raises:
            ValueError: The name or the id has more than one line, or the id has a NUL.
        """
        fields = [f"event: {_one_line('event', self.event)}"]
        fields += [f"data: {line}" for line in _LINE_END.split(self.data)]
        if self.id is not None:
            fields.append(f"id: {_one_line('id', self.id)}")
        if self.retry is not None:
            fields.append(f"retry: {self.retry}")
        return ("\n".join(fields) + "\n\n").encode(errors="replace")


def _one_line(name: str, value: str) -> str:
    if _LINE_END.search(value) or "\0" in value:
        raise ValueError(f"{value!r} is no {name} of a server-sent event; give it without newlines")
    return value
