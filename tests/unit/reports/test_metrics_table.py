"""The table of metrics agrees with docs/guide/telemetry.md."""

from __future__ import annotations

from pathlib import Path

from supervisor._reports.telemetry.metrics import COUNTERS, GAUGES, HISTOGRAMS

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "telemetry.md"


def test_the_docs_have_each_metric() -> None:
    """docs/guide/telemetry.md has each metric with its kind, its unit and what it shows."""
    rows = [line.strip("| ").split("|") for line in PAGE.read_text().splitlines()]
    cells = [[cell.strip(" `") for cell in row] for row in rows if "`supervisor." in row[0]]
    shown = [(row[0], row[1], row[2], row[4]) for row in cells if len(row) == 5]
    gauges = [(name, "gauge", unit, what) for name, (unit, what) in GAUGES.items()]
    counters = [(name, "counter", unit, what) for name, (unit, what) in COUNTERS.items()]
    histograms = [(name, "histogram", "s", what) for name, (what, _) in HISTOGRAMS.items()]
    assert shown == gauges + counters + histograms
