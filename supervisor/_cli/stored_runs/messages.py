"""Messages of a run in a store, as what a transcript shows: without AutoGen, and of any type.

A message is data here. It gets a class of its type's name, for that says how it is shown.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final, TypeGuard, cast

_CLASS: Final = "$"  # the field that has the name of a message's class
_TEXTS: Final = ("content", "output", "result")
"""The fields that may have what a message says; the first that is there has it."""


class StoredMessage:
    """A message that was read.

    Args:
        data: Its fields, as JSON has them.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def __getattr__(self, name: str) -> Any:
        try:
            return _as_object(self._data[name])
        except KeyError:
            raise AttributeError(name) from None

    @property
    def moment(self) -> float | None:
        """When it was made, in seconds since 1970; None where that is not known."""
        try:
            return datetime.fromisoformat(str(self._data.get("created_at"))).timestamp()
        except (ValueError, OverflowError, OSError):
            return None

    def to_text(self) -> str:
        """Return what it says."""
        return _text(self._data)

    def model_dump(self, *, mode: str) -> Mapping[str, Any]:  # noqa: ARG002 - it is JSON
        """Return its fields."""
        return self._data


class BaseChatMessage(StoredMessage):
    """What an agent says to the others."""


class BaseAgentEvent(StoredMessage):
    """What an agent tells of its work."""


def stored_messages(items: Iterable[Any]) -> list[StoredMessage]:
    """Return the messages of a log, each once."""
    found: dict[str, StoredMessage] = {}
    for place, data in enumerate(items):
        fields = dict(data) if _is_object(data) else {"content": data}
        name = fields.pop(_CLASS, None) or fields.get("type", "")
        message = _class(str(name))(fields)
        found.setdefault(str(fields.get("id", place)), message)
    return [*found.values()]


@functools.cache
def _class(name: str) -> type[StoredMessage]:
    base = BaseAgentEvent if name.endswith("Event") else BaseChatMessage
    return cast("type[StoredMessage]", type(name or base.__name__, (base,), {}))


def _as_object(value: Any) -> Any:
    if _is_object(value):
        return SimpleNamespace(**{name: _as_object(field) for name, field in value.items()})
    if _is_list(value):
        return [_as_object(item) for item in value]
    return value


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _text(value: Any) -> str:
    """Return what is said in some data."""
    if _is_object(value):
        for name in _TEXTS:
            if name in value:
                return _text(value[name])
        return "[image]" if "data" in value else json.dumps(value, ensure_ascii=False)
    if _is_list(value):
        return "\n".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
