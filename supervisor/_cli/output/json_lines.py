"""The objects of the formats `json` and `stream-json`, and each as one line.

Each object has `type` and `schema_version`. What a consumer reads is plain JSON in UTF-8: a lone
surrogate becomes U+FFFD, and a number that JSON does not have becomes null.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, cast

from supervisor._cli.output.events import CHUNK, kind_of, text_of
from supervisor._cli.output.outcome import Outcome

SCHEMA_VERSION: Final = 1

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def line(facts: Mapping[str, object]) -> bytes:
    """Return an object as one line, which ends with a newline."""
    try:
        text = json.dumps(facts, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):  # NaN, or what is no JSON in a message of the user's
        text = json.dumps(_plain(facts), ensure_ascii=False)
    return _SURROGATE.sub("\ufffd", text).encode() + b"\n"


def event(found: object) -> dict[str, object]:
    """Return a message or a chunk as an object."""
    if kind_of(found) == CHUNK:
        return _of_type("chunk", _chunk(found))
    return _of_type("message", message(found))


def message(found: object) -> dict[str, object]:
    """Return what a message holds: `kind`, `source`, `content`, `usage`, and its other fields."""
    fields = _fields(found)
    kind = fields.pop("type", None) or type(found).__name__
    first: dict[str, object] = {
        "kind": kind,
        "source": fields.pop("source", None),
        "content": fields.pop("content", None),
        "usage": fields.pop("models_usage", None),
    }
    return first | {name: value for name, value in fields.items() if name not in first}


def stop(facts: Mapping[str, object]) -> dict[str, object]:
    """Return that a stop has entered a rung, as an object."""
    return _of_type("stop", facts)


def init(facts: Mapping[str, object]) -> dict[str, object]:
    """Return that a run begins, as an object."""
    return _of_type("init", facts)


def result(outcome: Outcome) -> dict[str, object]:
    """Return how a run has ended, as an object."""
    return _of_type("result", asdict(outcome) | {"seconds": round(outcome.seconds, 3)})


def _of_type(name: str, facts: Mapping[str, object]) -> dict[str, object]:
    own = {"type": name, "schema_version": SCHEMA_VERSION}
    return own | {key: value for key, value in facts.items() if key not in own}


def _chunk(found: Any) -> dict[str, object]:
    return {
        "source": found.source,
        "content": found.content,
        "message_id": getattr(found, "full_message_id", None),
    }


def _fields(found: Any) -> dict[str, object]:
    try:
        return cast("dict[str, object]", found.model_dump(mode="json"))
    except Exception:  # noqa: BLE001 - of a class of the user's, or content that is no JSON
        known: dict[str, object] = {"content": text_of(found)}
        return known | {name: getattr(found, name, None) for name in ("source", "id")}


def _plain(value: object) -> object:
    """Return a value with nothing in it that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {str(key): _plain(item) for key, item in pairs}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    return repr(value)
