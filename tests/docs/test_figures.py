"""The figures of docs/how-it-stops.md, which are drawn from the code."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from scripts.docs import ladder_figure, signal_figure
from scripts.docs.figures import FIGURES
from scripts.project import ROOT
from supervisor import Rung
from supervisor._core import ladder


@pytest.mark.parametrize("path", FIGURES)
def test_a_figure_is_what_the_code_has(path: str) -> None:
    """Each figure is the one that is drawn now; `python -m scripts.docs.figures` draws it anew."""
    assert (ROOT / path).read_text(encoding="utf-8") == FIGURES[path]()


@pytest.mark.parametrize("path", FIGURES)
def test_a_figure_is_readable_everywhere(path: str) -> None:
    """It is well-formed, has a title, and has colours for light and dark pages."""
    text = (ROOT / path).read_text(encoding="utf-8")
    root = ET.fromstring(text)
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert "prefers-color-scheme: dark" in text


def test_the_ladder_is_drawn_from_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the rules change, so does the figure."""
    changed = {**ladder.TABLE, Rung.DRAIN: {"time": Rung.CANCEL}}
    monkeypatch.setattr(ladder_figure, "TABLE", changed)
    assert "nothing is at work" not in ladder_figure.draw()


def test_the_way_of_a_signal_names_what_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that the chart names and the package lacks is an error."""
    from supervisor._supervisor.steps import StepRunner

    monkeypatch.delattr(StepRunner, "carry_out")
    with pytest.raises(AttributeError, match="carry_out"):
        signal_figure.draw()
