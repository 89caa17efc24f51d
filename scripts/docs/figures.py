"""Draw the figures of `docs/how-it-stops.md`, from the code that they are about.

    python -m scripts.docs.figures

A test says when a figure is no longer what the code has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from scripts.docs import ladder_figure, signal_figure
from scripts.docs.links import DOCS
from scripts.project import ROOT

__all__ = ["FIGURES", "main"]

FIGURES: Final[Mapping[str, Callable[[], str]]] = {
    f"{DOCS}/images/ladder.svg": ladder_figure.draw,
    f"{DOCS}/images/signal.svg": signal_figure.draw,
}


def main() -> None:
    """Write each figure."""
    for path, draw in FIGURES.items():
        target = ROOT / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(draw(), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
