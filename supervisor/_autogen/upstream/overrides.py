"""Attributes of one object that override those of its class for a while."""

from __future__ import annotations

from typing import Any


class Overrides:
    """The overridden attributes of one object, which can be restored.

    Args:
        thing: The object.
    """

    def __init__(self, thing: object) -> None:
        self._names = vars(thing)
        self._ours: dict[str, Any] = {}

    def put(self, name: str, value: Any) -> None:
        """Override an attribute, unless other code has overridden it."""
        if name not in self._names:
            self._names[name] = self._ours[name] = value

    def take_back(self) -> None:
        """Remove our overrides, where they are still in place."""
        for name, value in self._ours.items():
            if self._names.get(name) is value:
                del self._names[name]
        self._ours.clear()
