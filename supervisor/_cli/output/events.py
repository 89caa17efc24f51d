"""What is told of an event, in words that are safe for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from supervisor._cli.output.cells import cut
from supervisor._cli.output.sanitize import one_line, sanitize
from supervisor._reports import run_json

_LONGEST_VALUE: Final = 60  # cells of one argument of a tool


def source_of(event: object) -> str:
    """Return the name of the agent that an event comes from; "" where it names none."""
    return one_line(str(getattr(event, "source", "")))


def text_of(event: object) -> str:
    """Return what an event says of itself, made safe for a terminal."""
    return sanitize(run_json.text_of(event))


def content_of(event: object) -> Sequence[Any]:
    """Return the parts of an event that has several."""
    content = getattr(event, "content", ())
    return cast("Sequence[Any]", content) if isinstance(content, (list, tuple)) else ()


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
