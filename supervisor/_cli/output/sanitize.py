"""Text of models and tools, made safe for a terminal.

What a model writes must not move the cursor, set the window's title, clear the screen or turn the
order of the characters around. So every control character but newline and tab is replaced by its
picture, which a person can see. That takes the escape sequences apart, also those that come in
pieces.
"""

from __future__ import annotations

import re
from typing import Final

_RANGES: Final = (
    # The controls: C0 without newline and tab, DEL, C1.
    (0x00, 0x08),
    (0x0B, 0x1F),
    (0x7F, 0x9F),
    # Line separators, directional overrides and isolates.
    (0x2028, 0x202E),
    (0x2066, 0x2069),
    # Lone surrogates, which cannot be encoded.
    (0xD800, 0xDFFF),
)
_UNSAFE: Final = re.compile("".join(["[", *(f"{chr(a)}-{chr(b)}" for a, b in _RANGES), "]"]))
_SPACE: Final = re.compile(r"\s+")

_NEWLINES: Final = "\x0b\x0c\x85\u2028\u2029"
_PICTURES: Final = 0x2400
_DELETE: Final = 0x7F


def _picture(number: int) -> str:
    """Return what is shown of an unsafe character."""
    if chr(number) in _NEWLINES:
        return "\n"
    if number == _DELETE:
        return "\u2421"
    return chr(_PICTURES + number) if number < ord(" ") else "\ufffd"


_TABLE: Final = {n: _picture(n) for first, last in _RANGES for n in range(first, last + 1)}


def sanitize(text: str) -> str:
    """Return text without control characters, but for newline and tab; CR LF is a newline."""
    if not _UNSAFE.search(text):
        return text
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_TABLE)


def one_line(text: str) -> str:
    """Return text without control characters, on one line."""
    return _SPACE.sub(" ", sanitize(text)).strip()
