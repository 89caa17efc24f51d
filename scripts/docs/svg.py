"""A small drawing in SVG, readable on light and on dark pages: it brings its own background.

Browsers choose the colours by `prefers-color-scheme`, also where the drawing is an image of a page.
"""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

__all__ = ["Drawing"]

_STYLE: Final = """
text { font: 15px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink) }
.strong { font-weight: 700 }
.soft { fill: var(--soft) }
.small { font-size: 13px }
.code { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace }
.note { paint-order: stroke; stroke: var(--page); stroke-width: 5px }
.page { fill: var(--page) }
.box { fill: var(--box); stroke: var(--line); stroke-width: 1.5 }
.line { fill: none; stroke: var(--line); stroke-width: 1.5 }
.dashed { stroke-dasharray: 4 4 }
.tip { fill: var(--line) }
svg { --page: #ffffff; --box: #eef1fb; --ink: #1b1d24; --soft: #555b6e; --line: #5361a8 }
@media (prefers-color-scheme: dark) {
  svg { --page: #1b1d24; --box: #272b3a; --ink: #eceef6; --soft: #b3b9cc; --line: #9aa7ea }
}
""".strip()


class Drawing:
    """Shapes on a page of a size that is known at the end.

    Args:
        title: What it shows, for people who hear it.
        width: Its width in pixels; the text is as large as on a page of that width.
    """

    def __init__(self, title: str, width: int) -> None:
        self._title = title
        self._width = width
        self._shapes: list[str] = []

    def text(self, x: float, y: float, text: str, style: str = "", anchor: str = "start") -> None:
        """Write one line; `y` is its base line."""
        words = f'<text x="{x:g}" y="{y:g}" class="{style}" text-anchor="{anchor}">{escape(text)}'
        self._shapes.append(f"{words}</text>".replace(' class=""', ""))

    def box(self, x: float, y: float, width: float, height: float) -> None:
        """Draw a box with round corners."""
        size = f'width="{width:g}" height="{height:g}"'
        self._shapes.append(f'<rect x="{x:g}" y="{y:g}" {size} rx="8" class="box"/>')

    def line(self, *points: tuple[float, float], style: str = "") -> None:
        """Draw a line through points."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self._shapes.append(f'<polyline points="{path}" class="{f"line {style}".strip()}"/>')

    def arrow(self, *points: tuple[float, float], style: str = "") -> None:
        """Draw a line through points, with a tip at the last of them."""
        self.line(*points, style=style)
        (from_x, from_y), (x, y) = points[-2:]
        dx, dy = (x > from_x) - (x < from_x), (y > from_y) - (y < from_y)
        base_x, base_y = x - 9 * dx, y - 9 * dy
        corners = [(x, y), (base_x - 5 * dy, base_y - 5 * dx), (base_x + 5 * dy, base_y + 5 * dx)]
        path = " ".join(f"{at_x:g},{at_y:g}" for at_x, at_y in corners)
        self._shapes.append(f'<polygon points="{path}" class="tip"/>')

    def svg(self, height: int) -> str:
        """Return the file's text."""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self._width} {height}"'
        lines = [
            f'{head} width="{self._width}" height="{height}" role="img">',
            f"<title>{escape(self._title)}</title>",
            f"<style>\n{_STYLE}\n</style>",
            f'<rect width="{self._width}" height="{height}" rx="12" class="page"/>',
            *self._shapes,
            "</svg>",
        ]
        return "\n".join(lines) + "\n"
