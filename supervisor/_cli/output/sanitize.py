"""Text of models and tools, made safe for a terminal.

What a model writes must not move the cursor, set the window's title, clear the screen or turn the
order of the characters around. So every control character but newline and tab is replaced by its
picture, which a person can see. That takes the escape sequences apart, also those that come in
pieces.
"""

from __future__ import annotations

import re
from typing import Final

# Controls (C0 without newline and tab, DEL, C1), line separators, directional overrides, and lone
# surrogates, which cannot be encoded.
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_CARRIAGE_RETURN: Final = re.compile("\r\n?")
_SPACE: Final = re.compile(r"\s+")

_NEWLINES: Final = "\x0b\x0c\x85\u2028\u2029"
_DELETE: Final = 0x7F
_PICTURES: Final = 0x2400
_DELETE_PICTURE: Final = "\u2421"
_REPLACEMENT: Final = "\ufffd"


def sanitize(text: str) -> str:
    """Return text without control characters, but for newline and tab; CR LF is a newline."""
    if not _UNSAFE.search(text):
        return text
    if "\r" in text:
        text = _CARRIAGE_RETURN.sub("\n", text)
    return _UNSAFE.sub(_picture, text)


def one_line(text: str) -> str:
    """Return text without control characters, on one line."""
    return _SPACE.sub(" ", sanitize(text)).strip()


def _picture(found: re.Match[str]) -> str:
    character = found.group()
    number = ord(character)
    if character in _NEWLINES:
        return "\n"
    if number == _DELETE:
        return _DELETE_PICTURE
    return chr(_PICTURES + number) if number < ord(" ") else _REPLACEMENT
