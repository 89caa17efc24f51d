"""The points of a conversation to which it can return."""

from __future__ import annotations

import functools
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_MOST: Final = 10
"""How many exchanges can be undone: each keeps the whole state before it."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A conversation at one moment between two exchanges, or between two turns of an answer.

    Args:
        state: The state of the team, or the agent, as its `save_state()` gives it; None where it
            gives none.
        messages: How many messages were said.
        can_go_on: Whether an answer was cut off, and goes on without words.
        memory: What its agents remember beside that; in the process that has made it.
        said: What was shown of it until then, as JSON-able data.
    """

    state: Mapping[str, Any] | None
    messages: int = 0
    can_go_on: bool = False
    memory: object | None = None
    said: Sequence[Mapping[str, Any]] = ()

    @functools.cached_property
    def text(self) -> str:
        """What of it is kept, as JSON; written out once.

        Raises:
            TypeError: The state is no JSON.
            ValueError: The same; or there is none.
        """
        if self.state is None:
            raise ValueError("an agent of it gives none")
        return json.dumps(
            {
                "messages": self.messages,
                "can_go_on": self.can_go_on,
                "said": len(self.said),
                "state": self.state,
            }
        )


class UndoPoints:
    """The points before the last exchanges; the oldest are forgotten.

    Args:
        points: Those of an earlier process, the oldest first.
    """

    def __init__(self, points: Iterable[Point] = ()) -> None:
        self._points = deque(points, maxlen=_MOST)

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points)

    def push(self, point: Point) -> None:
        """Note the point before an exchange."""
        self._points.append(point)

    def pop(self) -> Point | None:
        """Return the point before the last exchange, and forget it; None where there is none."""
        return self._points.pop() if self._points else None
