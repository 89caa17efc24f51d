"""The events and the end of a run as JSON: one form for the command line and for web pages.

Each object has `type` and `schema_version`. What a consumer reads is plain JSON in UTF-8: a lone
surrogate becomes U+FFFD, and a number that JSON does not have becomes null. It stays one line for
readers that split lines at U+2028, U+2029 or U+0085, too, and does nothing to a terminal: JSON
itself escapes only the controls below U+0020.

An event's kind is found by the names of its classes, so nothing of AutoGen is imported here. It may
be of a class of the user's own: whatever its methods raise is only said.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, cast

from supervisor._reports.outcome import Outcome, Usage

SCHEMA_VERSION: Final = 1

CHUNK: Final = "ModelClientStreamingChunkEvent"
RESULT: Final = "TaskResult"

_KINDS: Final = frozenset(
    {
        CHUNK,
        RESULT,
        "CodeExecutionEvent",
        "CodeGenerationEvent",
        "HandoffMessage",
        "MemoryQueryEvent",
        "SelectSpeakerEvent",
        "SelectorEvent",
        "ThoughtEvent",
        "ToolCallExecutionEvent",
        "ToolCallRequestEvent",
        "UserInputRequestedEvent",
        # What else AutoGen has, and what users derive from these.
        "BaseChatMessage",
        "BaseAgentEvent",
    }
)
_kinds: dict[type, str] = {}

# What an iterator may yield that is no object of a framework's.
_DATA: Final = (str, int, float, list, tuple, dict)

# DEL, C1 (with a line's end for some readers), line separators, directional overrides and isolates.
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_NOT_AS_IT_IS: Final = re.compile(f"[\ud800-\udfff]|{_ESCAPED.pattern}")


# -- what an event is ---------------------------------------------------------------------------


def kind_of(event: object) -> str:
    """Return the name of AutoGen's class that says how to show an event; "" for anything else."""
    found = _kinds.get(type(event))
    if found is None:
        names = (cls.__name__ for cls in type(event).__mro__)
        found = _kinds[type(event)] = next((name for name in names if name in _KINDS), "")
    return found


def text_of(event: object) -> str:
    """Return what an event says of itself."""
    try:
        text = cast("Any", event).to_text() if hasattr(event, "to_text") else repr(event)
        return text if isinstance(text, str) else str(text)
    except Exception as error:  # noqa: BLE001 - of a class of the user's
        return f"({type(event).__name__} has no text: its to_text() raised {type(error).__name__})"


def usage_of(event: object) -> Usage:
    """Return what a message has cost; nothing where its model does not tell."""
    found: Any = getattr(event, "models_usage", None)
    prompt = getattr(found, "prompt_tokens", 0)
    completion = getattr(found, "completion_tokens", 0)
    return Usage(
        prompt_tokens=prompt if isinstance(prompt, int) else 0,
        completion_tokens=completion if isinstance(completion, int) else 0,
    )


# -- objects ------------------------------------------------------------------------------------


def event(found: object) -> dict[str, object]:
    """Return a message, a chunk or a result as an object."""
    kind = kind_of(found)
    if kind == CHUNK:
        return _of_type("chunk", _chunk(found))
    if kind == RESULT:
        return _bare_result(found)
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


def _bare_result(found: Any) -> dict[str, object]:
    """Return a `TaskResult` alone, which does not tell whether its run was stopped."""
    usage = sum((usage_of(each) for each in found.messages), Usage())
    bare = Outcome(status="finished", stop_reason=found.stop_reason, usage=usage)
    return result(bare) | {"status": None, "messages": len(found.messages)}


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
    if found is None or isinstance(found, _DATA):
        return {"content": found}
    try:
        return dict(
            found.model_dump(mode="json") if hasattr(found, "model_dump") else found.to_dict()
        )
    except Exception:  # noqa: BLE001 - of a class of the user's, or content that is no JSON
        known: dict[str, object] = {"content": text_of(found)}
        return known | {name: getattr(found, name, None) for name in ("source", "id")}


# -- text ---------------------------------------------------------------------------------------


def line(facts: Mapping[str, object]) -> bytes:
    """Return an object as one line, which ends with a newline."""
    return text(facts).encode() + b"\n"


def text(facts: Mapping[str, object]) -> str:
    """Return an object as JSON, without a newline of any kind in it."""
    try:
        found = json.dumps(facts, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):  # NaN, or what is no JSON in a message of the user's
        found = json.dumps(_plain(facts), ensure_ascii=False)
    return _NOT_AS_IT_IS.sub(_escape, found)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}" if _ESCAPED.match(found[0]) else "\ufffd"


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
