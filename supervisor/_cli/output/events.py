"""What is told of an event, in words: by the name of its class, so that AutoGen is not imported.

An event may be of a user's own class, and whatever its methods raise is only said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from supervisor._cli.output.cells import cut
from supervisor._cli.output.outcome import Usage
from supervisor._cli.output.sanitize import one_line, sanitize

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

_LONGEST_VALUE: Final = 60  # cells of one argument of a tool


def kind_of(event: object) -> str:
    """Return the name of AutoGen's class that says how to show an event; "" for anything else."""
    found = _kinds.get(type(event))
    if found is None:
        names = (cls.__name__ for cls in type(event).__mro__)
        found = _kinds[type(event)] = next((name for name in names if name in _KINDS), "")
    return found


def source_of(event: object) -> str:
    """Return the name of the agent that an event comes from; "" where it names none."""
    return one_line(str(getattr(event, "source", "")))


def text_of(event: object) -> str:
    """Return what an event says of itself, made safe for a terminal."""
    try:
        text = cast("Any", event).to_text() if hasattr(event, "to_text") else repr(event)
        return sanitize(text if isinstance(text, str) else str(text))
    except Exception as error:  # noqa: BLE001 - of a class of the user's
        return f"({type(event).__name__} has no text: its to_text() raised {type(error).__name__})"


def content_of(event: object) -> Sequence[Any]:
    """Return the parts of an event that has several."""
    content = getattr(event, "content", ())
    return cast("Sequence[Any]", content) if isinstance(content, (list, tuple)) else ()


def usage_of(event: object) -> Usage:
    """Return what a message has cost; nothing where its model does not tell."""
    found: Any = getattr(event, "models_usage", None)
    prompt = getattr(found, "prompt_tokens", 0)
    completion = getattr(found, "completion_tokens", 0)
    return Usage(
        prompt_tokens=prompt if isinstance(prompt, int) else 0,
        completion_tokens=completion if isinstance(completion, int) else 0,
    )


def call_text(name: str, arguments: str) -> str:
    """Return a tool call on one line: `search(query="cats", limit=3)`.

    Args:
        name: The tool's.
        arguments: What the model wrote: JSON, or something that was meant to be.
    """
    return f"{one_line(name)}({_arguments(arguments)})"


def _arguments(arguments: str) -> str:
    try:
        found = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return cut(one_line(arguments), _LONGEST_VALUE)
    if not isinstance(found, Mapping):
        return cut(one_line(arguments), _LONGEST_VALUE)
    return ", ".join(_pairs(cast("Mapping[str, object]", found)))


def _pairs(found: Mapping[str, object]) -> Iterator[str]:
    for name, value in found.items():
        written = json.dumps(value, ensure_ascii=False)
        yield f"{one_line(name)}={cut(one_line(written), _LONGEST_VALUE)}"
