"""Attributes that an object of AutoGen's has for a while, in front of its class's."""

from __future__ import annotations

from typing import Any


class Overrides:
    """What was put in front of an object's own methods, to be taken back.

    Args:
        thing: The object.
    """

    def __init__(self, thing: object) -> None:
        self._names = vars(thing)
        self._ours: dict[str, Any] = {}

    def put(self, name: str, value: Any) -> None:
        """Give it an attribute; what somebody else has put there stays."""
        if name not in self._names:
            self._names[name] = self._ours[name] = value

    def take_back(self) -> None:
        """Take off what was put, if it is still there."""
        for name, value in self._ours.items():
            if self._names.get(name) is value:
                del self._names[name]
        self._ours.clear()
