"""Colours: whether there are any, and one for each agent."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

_COLORS: Final = ("cyan", "green", "magenta", "yellow", "bright_blue", "bright_cyan")


def has_rich() -> bool:
    """Return whether rich, which the extra [cli] brings, is installed."""
    return find_spec("rich") is not None


def wants_color(environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Return whether to print in colours.

    Args:
        environ: NO_COLOR says no, wherever it goes; else FORCE_COLOR says yes, and "0" no; a
            TERM without capabilities says no.
        is_terminal: Whether a terminal gets it.
    """
    if environ.get("NO_COLOR"):
        return False
    forced = environ.get("FORCE_COLOR")
    if forced:
        return forced != "0"
    return is_terminal and is_capable(environ)


def is_capable(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal can do more than print characters."""
    return environ.get("TERM", "") not in ("", "dumb", "unknown")


class Palette:
    """The styles of a transcript.

    Args:
        color: Whether there are any; False returns each text as it is.
    """

    def __init__(self, *, color: bool) -> None:
        self._color = color
        self._of: dict[str, str] = {}

    def agent(self, name: str, text: str) -> str:
        """Return a text in the colour of an agent: the same in each run, where it is free."""
        color = self._of.get(name)
        if color is None:
            color = self._of[name] = self._free(name)
        return self._styled(text, f"bold {color}")

    def dim(self, text: str) -> str:
        """Return what matters less."""
        return self._styled(text, "dim")

    def error(self, text: str) -> str:
        """Return what went wrong."""
        return self._styled(text, "red")

    def strong(self, text: str) -> str:
        """Return what matters more."""
        return self._styled(text, "bold")

    def _free(self, name: str) -> str:
        first = zlib.crc32(name.encode(errors="replace")) % len(_COLORS)
        order = _COLORS[first:] + _COLORS[:first]
        taken = set(self._of.values())
        return next((color for color in order if color not in taken), order[0])

    def _styled(self, text: str, definition: str) -> str:
        if not self._color or not text:
            return text
        before, after = _codes(definition)
        return f"{before}{text}{after}"


@functools.cache
def _codes(definition: str) -> tuple[str, str]:
    from rich.color import ColorSystem
    from rich.style import Style

    before, _, after = (
        Style.parse(definition).render("\0", color_system=ColorSystem.STANDARD).partition("\0")
    )
    return before, after
