"""Values that look like data, and by which AutoGen 0.7 runs code or starts programs.

Each was tried with AutoGen 0.7.5: a class that is harmless otherwise runs it as it is loaded.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

from supervisor._cli.team_file.nodes import Path, as_mapping, at, walk
from supervisor._cli.team_file.risk import Risk

# Pillow starts Ghostscript for PostScript, which other formats can contain. These cannot.
_PICTURES: Final = re.compile(rb"\x89PNG\r\n|\xff\xd8\xff|GIF8|RIFF....WEBP", re.DOTALL)
_ATTRIBUTE: Final = re.compile(r"\{[^{}:!]*[.\[]")


def hidden_code(data: object) -> Iterator[Risk]:
    """Yield each such value in a file's data."""
    for path, value in walk(data):
        key = path[-1] if path else ""
        if key == "$defs":
            yield from _in_names(path, value)
        elif key == "data" and isinstance(value, str):
            yield from _in_picture(path, value)
        elif key == "format_string" and isinstance(value, str) and _ATTRIBUTE.search(value):
            # From an object of Python's, its attributes lead to the environment.
            yield Risk(at(path), "reads attributes of what it formats", value)


def _in_names(path: Path, definitions: object) -> Iterator[Risk]:
    """Yield each definition of a JSON schema whose name is an expression.

    AutoGen makes a forward reference of the name, and pydantic evaluates that.
    """
    for name in as_mapping(definitions):
        if not name.isidentifier():
            yield Risk(at(path), "has a name that AutoGen runs as code", name)


def _in_picture(path: Path, encoded: str) -> Iterator[Risk]:
    """Yield a picture that is in no format of which we know that reading it starts nothing."""
    try:
        data = base64.b64decode(encoded)  # as AutoGen has it: other characters are left out
    except (binascii.Error, ValueError):
        return
    if not _PICTURES.match(data):
        yield Risk(at(path), "is no PNG, JPEG, GIF or WebP, and reading it may start a program")
