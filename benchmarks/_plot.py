"""Bars as SVG, drawn without a library: the same data give the same file, to the byte.

The colours of the bars are of medium lightness, and that of the text follows the reader's choice: a
picture can be read on a light page and on a dark one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

COLOURS: Final = {
    "supervised": "#2f81f7",
    "no-fast-path": "#79a8e8",
    "async": "#2f81f7",
    "autogen": "#d9822b",
    "alone": "#d9822b",
    "floor": "#8b949e",
    "not-kept": "#8b949e",
    "asyncio": "#8b949e",
    "anyio": "#3fa45b",
    "aiorun": "#a371f7",
    "uvicorn": "#d0669e",
    "hypercorn": "#c9a227",
}
_OTHER: Final = "#8b949e"
_STYLE: Final = (
    "text { fill: #57606a } @media (prefers-color-scheme: dark) { text { fill: #b1bac4 } }"
)
_WIDTH, _LEFT, _RIGHT = 760, 190, 130
_BAR, _GAP, _TOP = 16, 14, 34


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar.

    Args:
        subject: What it is of.
        value: Its length; None for what has no end.
        label: The figure.
    """

    subject: str
    value: float | None
    label: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Bars that belong together.

    Args:
        name: The case.
        bars: The subjects.
    """

    name: str
    bars: Sequence[Bar]


def svg(title: str, groups: Sequence[Group]) -> str:
    """Return a picture of groups of bars, on a logarithmic scale."""
    height = _TOP + sum(len(group.bars) * _BAR + _GAP for group in groups)
    values = [bar.value for group in groups for bar in group.bars if bar.value is not None]
    scale = _Scale.over([value for value in values if value > 0])
    font = "font-family='system-ui, sans-serif' font-size='12'"
    size = f"viewBox='0 0 {_WIDTH} {height}'"
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img' {font}>",
        f"<style>{_STYLE}</style>",
        f"<title>{escape(title)}</title>",
        f"<text x='0' y='16' font-weight='bold'>{escape(title)}</text>",
        *_bars(groups, scale),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Scale:
    """A logarithmic scale between two powers of ten."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float]) -> _Scale:
        """Return one that has all of them."""
        low = math.floor(math.log10(min(values, default=1)))
        return cls(low, max(low + 1, math.log10(max(values, default=10))))

    def width(self, value: float | None) -> float:
        """Return the length of a bar; what has no end is as long as the scale."""
        if value is None:
            return _WIDTH - _LEFT - _RIGHT
        if value <= 0:
            return 1
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return max(1, part * (_WIDTH - _LEFT - _RIGHT))


def _bars(groups: Sequence[Group], scale: _Scale) -> Iterator[str]:
    top = _TOP
    for group in groups:
        yield f"<text x='0' y='{top + 12}'>{escape(group.name)}</text>"
        for bar in group.bars:
            yield from _bar(bar, top, scale)
            top += _BAR
        top += _GAP


def _bar(bar: Bar, top: int, scale: _Scale) -> Iterator[str]:
    colour, width = COLOURS.get(bar.subject, _OTHER), scale.width(bar.value)
    endless = " stroke-dasharray='4 3' fill-opacity='0.25'" if bar.value is None else ""
    anchor = f"x='{_LEFT - 6}' y='{top + 12}' text-anchor='end'"
    yield f"<text {anchor}>{escape(bar.subject)}</text>"
    yield (
        f"<rect x='{_LEFT}' y='{top + 1}' width='{width:.1f}' height='{_BAR - 3}' rx='2' "
        f"fill='{colour}' stroke='{colour}'{endless}/>"
    )
    yield f"<text x='{_LEFT + width + 6:.1f}' y='{top + 12}'>{escape(bar.label)}</text>"
