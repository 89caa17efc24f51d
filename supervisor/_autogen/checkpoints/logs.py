"""The logs of a run: of each list of messages, what is new since the last snapshot.

A list counts as grown where the object at the end of what was written is at that place still;
otherwise it is written anew. AutoGen clears some lists, and the user's code may cut any.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from supervisor._checkpoints.snapshot import LogChange


class Logs:
    """What was written of each log so far."""

    def __init__(self) -> None:
        self._written: dict[str, tuple[int, object]] = {}  # its length, and its last item

    def seed(self, log: str, items: Sequence[object]) -> None:
        """Note that a log holds these items already."""
        if items:
            self._written[log] = (len(items), items[-1])

    def keep_only(self, logs: Collection[str]) -> None:
        """Forget all other logs: a store does, where a snapshot does not have them."""
        for log in self._written.keys() - set(logs):
            del self._written[log]

    def cut(self, dump: Callable[[Any], Any]) -> Cut:
        """Begin a snapshot.

        Args:
            dump: Makes JSON-able data of an item.
        """
        return Cut(self._written, dump)


class Cut:
    """The logs of one snapshot.

    Args:
        written: What was written of each log; it is kept up to date.
        dump: Makes JSON-able data of an item.
    """

    def __init__(self, written: dict[str, tuple[int, object]], dump: Callable[[Any], Any]) -> None:
        self.changes: list[LogChange] = []
        self.lengths: dict[str, int] = {}
        self._written = written
        self._dump = dump
        self._dumped: dict[int, Any] = {}  # a message is in several logs

    def add(self, log: str, items: Sequence[Any]) -> None:
        """Add what is new of a log."""
        length, last = self._written.get(log, (0, None))
        start = length if has_grown(items, length, last) else 0
        self.extend(log, start, items[start:])

    def extend(self, log: str, start: int, items: Sequence[Any]) -> None:
        """Add items of a log from a place on; nothing of it was changed before that."""
        length = start + len(items)
        if items or (log in self._written and self._written[log][0] != length):
            self.changes.append(LogChange(log, start, [self.dump(item) for item in items]))
        if items:
            self._written[log] = (length, items[-1])
        elif not length:
            self._written.pop(log, None)
        if length:
            self.lengths[log] = length

    def length(self, log: str) -> int:
        """Return how many items of a log were written."""
        return self._written.get(log, (0, None))[0]

    def dump(self, item: Any) -> Any:
        """Return an item as JSON-able data, once for each snapshot."""
        key = id(item)
        if key not in self._dumped:
            self._dumped[key] = self._dump(item)
        return self._dumped[key]


def has_grown(items: Sequence[object], length: int, last: object) -> bool:
    """Return whether a list has only grown since it had this length, and this item at its end."""
    return length <= len(items) and (not length or items[length - 1] is last)
