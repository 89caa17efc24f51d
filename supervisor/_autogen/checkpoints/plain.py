"""A manager's attributes as JSON-able data, and back: counters, queues and sets among them."""

from __future__ import annotations

import base64
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage

from supervisor._autogen.checkpoints.items import Dump, Parse

_SCALARS: Final = (bool, int, float, str, type(None))
_LISTS: Final[dict[type, str]] = {
    deque: "$deque",
    frozenset: "$frozenset",
    set: "$set",
    tuple: "$tuple",
}
_MADE: Final[dict[str, Callable[[Any], Any]]] = {
    "$deque": deque,
    "$frozenset": frozenset,
    "$set": set,
    "$tuple": tuple,
}


def as_plain(state: Mapping[str, Any], dump: Dump) -> dict[str, Any]:
    """Return a manager's state as JSON-able data; what cannot be written is left out."""
    found: dict[str, Any] = {}
    for name, value in state.items():
        try:
            found[name] = _encode(value, dump)
        except TypeError:
            continue
    return found


def from_plain(data: Mapping[str, Any], parse: Parse) -> dict[str, Any]:
    """Return a manager's state that was written so."""
    return {name: _decode(value, parse) for name, value in data.items()}


def _encode(value: Any, dump: Dump) -> Any:
    if value.__class__ in _SCALARS:
        return value
    if value.__class__ is bytes:
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    name = _LISTS.get(value.__class__)
    if name is not None:
        return {name: _encode_all(cast("Iterable[Any]", value), dump)}
    if value.__class__ is list:
        return _encode_all(value, dump)
    if value.__class__ in (Counter, dict):
        return _encode_dict(value, dump)
    if isinstance(value, (BaseAgentEvent, BaseChatMessage)):
        return {"$message": dump(value)}
    raise TypeError(f"{value!r} is no plain data")


def _encode_all(values: Iterable[Any], dump: Dump) -> list[Any]:
    return [_encode(value, dump) for value in values]


def _encode_dict(value: dict[Any, Any], dump: Dump) -> Any:
    if value.__class__ is dict and all(_is_plain_key(key) for key in value):
        return {key: _encode(item, dump) for key, item in value.items()}
    pairs = [[_encode(key, dump), _encode(item, dump)] for key, item in value.items()]
    return {"$counter" if isinstance(value, Counter) else "$dict": pairs}


def _is_plain_key(key: object) -> bool:
    return isinstance(key, str) and not key.startswith("$")


def _decode(value: Any, parse: Parse) -> Any:
    if value.__class__ is list:
        return [_decode(item, parse) for item in value]
    return _decode_dict(value, parse) if value.__class__ is dict else value


def _decode_dict(data: dict[str, Any], parse: Parse) -> Any:
    key, content = next(iter(data.items())) if len(data) == 1 else ("", None)
    content = cast(Any, content)
    if key in _MADE:
        return _MADE[key](_decode(item, parse) for item in content)
    if key in ("$counter", "$dict"):
        found = {_decode(k, parse): _decode(v, parse) for k, v in content}
        return Counter(found) if key == "$counter" else found
    if key == "$bytes":
        return base64.b64decode(content)
    if key == "$message":
        return parse(content)
    return {name: _decode(item, parse) for name, item in data.items()}
