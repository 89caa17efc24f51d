"""The fenced blocks of Markdown: the one reader of them for scripts and tests.

Sybil, which runs the Python blocks as tests (`conftest.py`), brings a reader of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["AT_A_TERMINAL", "Block", "blocks_of"]

AT_A_TERMINAL: Final = ("docs/tutorial.md", "docs/guide/debugging.md")
"""The pages whose Python blocks are files, which their `console` blocks run."""

_FENCE: Final = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<language>[^\s`{]*)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, what is in it, the line of its first fence, and its page."""

    language: str
    text: str
    line: int
    page: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def lines(self) -> range:
        """The numbers of its lines, those of the fences included."""
        return range(self.line, self.line + self.text.count("\n") + 2)


def blocks_of(text: str, page: str = "") -> Iterator[Block]:
    """Yield the blocks of a page; those in lists have lost their indentation."""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if found := _FENCE.match(line):
            indent = len(found["indent"])
            body = "".join(f"{inner[indent:]}\n" for inner in _until(lines, found["fence"]))
            yield Block(found["language"], body, number, page)


def _until(lines: Iterator[tuple[int, str]], fence: str) -> Iterator[str]:
    for _, line in lines:
        if line.strip().startswith(fence) and not line.strip().strip("`~"):
            return
        yield line
