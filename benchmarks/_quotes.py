"""The figures that the documentation quotes: each is followed by a comment that names its record.

    ends in 2 ms<!-- bench: stock/silent/supervised -->

The comment stands directly behind a figure and its unit. Behind the id may stand `@` and what is
meant: `@p99` in place of the median; `@never`, if what was measured does not end (the figure is
then how long it was waited for); `@note` behind a code span that the record's note contains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks._record import SCALES, Record, digits, figure
from scripts.project import ROOT

_SIZES: Final = {name: (unit, size) for unit, of in SCALES.items() for name, size in of.items()}
_MARKER: Final = re.compile(r"<!-- bench: (?P<id>[^\s@>]+)(?:@(?P<what>p99|never|note))? -->")
_FIGURE: Final = re.compile(
    r"(?P<number>(?:(?<!\S)-)?\d[\d,]*(?:\.\d+)?)(?P<unit> (?:s|ms|µs|GB|MB|kB|B|times))?\Z"
)
_CODE: Final = re.compile(r"`(?P<code>[^`]+)`\Z")


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A figure, or words of a message, as a page has it.

    Args:
        page: The page, from the root of the repository.
        line: The number of the line.
        start: Where in the text of the page the figure begins.
        text: The figure with its unit, or the words.
        id: The record.
        what: `median`, `p99`, `never` or `note`.
    """

    page: str
    line: int
    start: int
    text: str
    id: str
    what: str

    @property
    def place(self) -> str:
        """Page and line."""
        return f"{self.page}:{self.line}"

    @property
    def number(self) -> str:
        """The figure without its unit."""
        return self.text.partition(" ")[0]

    @property
    def size(self) -> float:
        """The size of the figure's unit."""
        return _SIZES[self.text.partition(" ")[2]][1]

    @property
    def value(self) -> float:
        """The figure in the unit of its record."""
        return float(self.number.replace(",", "")) * self.size

    @property
    def least(self) -> float:
        """By how much it may differ from what it is rounded from."""
        decimals = len(self.number.partition(".")[2])
        return 0.5 * 10.0**-decimals * self.size


def pages() -> list[Path]:
    """Return the pages that may quote a figure."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in found if path.name != "benchmarks.md"]  # that is made of all figures


def quotes(paths: Iterable[Path]) -> list[Quote]:
    """Return the quotes of some pages.

    Raises:
        ValueError: A comment stands behind something else than a figure.
    """
    return [quote for path in paths for quote in _quotes_of(path)]


def _quotes_of(path: Path) -> Iterator[Quote]:
    text = path.read_text(encoding="utf-8")
    page = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    for found in _MARKER.finditer(text):
        before, what = text[: found.start()], found["what"] or "median"
        line = before.count("\n") + 1
        quoted = (_CODE if what == "note" else _FIGURE).search(before)
        if quoted is None:
            kind = "a code span" if what == "note" else "a figure and its unit"
            raise ValueError(f"{page}:{line}: {found[0]} must stand directly behind {kind}")
        words = quoted["code"] if what == "note" else quoted[0]
        start = quoted.start(1) if what == "note" else quoted.start()
        yield Quote(page=page, line=line, start=start, text=words, id=found["id"], what=what)


def disagreement(quote: Quote, records: Mapping[str, Record]) -> str:
    """Return how a quote differs from a run, apart from rounding; nothing if it agrees."""
    found = records.get(quote.id)
    if found is None:
        return f"{quote.place}: there is no record {quote.id!r}"
    if quote.what == "note":
        agrees = quote.text in found.note
        return "" if agrees else f"{quote.place}: {quote.text!r} is not in {found.note!r}"
    if quote.what == "never":
        return "" if found.median is None else f"{quote.place}: {quote.id} does end"
    value = value_of(found, quote.what)
    if value is None or abs(value - quote.value) > quote.least * 1.000001:
        return f"{quote.place}: {quote.text} is {renewed(quote, found)!r} in the run ({quote.id})"
    return ""


def value_of(found: Record, what: str) -> float | None:
    """Return the figure of a record that a quote is of."""
    return found.p99 if what == "p99" else found.median


def renewed(quote: Quote, found: Record) -> str:
    """Return what a page should have: the same unit, with two significant digits."""
    value = value_of(found, quote.what)
    if value is None or found.unit == "count":
        return figure(value, found.unit)
    unit = quote.text.partition(" ")[2]
    return f"{digits(value / quote.size)} {unit}".rstrip()
