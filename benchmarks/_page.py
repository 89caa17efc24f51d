"""Makes docs/benchmarks.md and its pictures from the reference run, and renews quoted figures.

    python -m benchmarks._page

The text of each question is the docstring of its script, so it is written once.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks._plot import Bar, Group, svg
from benchmarks._quotes import disagreement, pages, quotes, renewed
from benchmarks._record import Record, figure, read, records_of
from scripts.project import ROOT

REFERENCE: Final = ROOT / "benchmarks" / "reference.json"
PAGE: Final = ROOT / "docs" / "benchmarks.md"
IMAGES: Final = ROOT / "docs" / "images"

_PLOTTED: Final = {
    # The cases of a question that have a picture, in their order; all of them if there are none.
    "stock": ("silent", "tool", "deaf", "twice", "input"),
    "latency": (),
    "overhead": ("team-event", "team-burst", "team-run", "agent-event", "agent-run"),
    "many": (),
    "memory": (),
    "start": ("block",),
    "web": (),
}
_COMPARED: Final = ("ratio", "more")  # these are no subjects, but compare two
_PACKAGES: Final = (
    "autogen-agentchat",
    "autogen-core",
    "uvloop",
    "structlog",
    "anyio",
    "aiorun",
    "uvicorn",
    "hypercorn",
)

_INTRODUCTION: Final = """\
# Benchmarks

<!-- `make bench-page` makes this page from benchmarks/reference.json and the docstrings of the
scripts. Change those, and not this page. -->

What a stop takes, and what the supervisor costs while nothing stops: beside a bare loop, AutoGen
alone, and other libraries. All figures are of one run on one machine. `make bench` repeats it on
yours.

- **Floor**: the least that the loop itself needs, without AutoGen and without us.
- **AutoGen**: AutoGen alone, in the way of its users, with its own means of stopping.
- **Peers**: anyio, aiorun, uvicorn and hypercorn, in the way of their documentation.
- **Supervised**: the same team under a supervisor.

A cell has the median. Behind it stands the 99th percentile if there are at least 20 values, or the
range of the middle half if there are fewer; a single value stands alone. "Never" means that it had
not ended when it was given up. In pictures the scale is logarithmic, and shorter is better; a
dashed bar has no end. [The file of the run](../benchmarks/reference.json) has every value, with the
versions of all packages.
"""

_LIMITS: Final = """\
## What this does not show

- **Other machines.** This is one of them. On a machine that is busier than this one was, the 99th
  percentiles grow first. Only CPython on Linux was measured.
- **Other work.** The models are scripted and answer at once. With a real model most time passes in
  waiting, and what an event costs matters less.
- **The same result.** AutoGen, cancelled by its token, ends with an exception, leaves its team as
  it is, and may not run it again. The supervisor also settles and repairs the team, and returns a
  `TaskResult`. In `latency`, anyio stops a bare coroutine, and no team. So what is slower than the
  floor there does more than the floor.
- **The same purpose.** uvicorn and hypercorn serve, aiorun runs a program, anyio is a toolkit. They
  promise nothing about teams. `chaos` gives each one second of grace; other settings end otherwise.
- **Rare things.** A median of some tens of rounds says nothing about one stop in a thousand.
  [The chaos matrix](chaos.md) and the tests look for those.
"""


def page(run: Mapping[str, Any]) -> str:
    """Return the text of the page."""
    records = [*records_of(run).values()]
    sections = [
        _section(question, [each for each in records if each.question == question])
        for question in run["questions"]
    ]
    return "\n".join([_INTRODUCTION, _machine(run), *sections, _LIMITS])


def pictures(run: Mapping[str, Any]) -> dict[str, str]:
    """Return the pictures of the page, by the names of their files."""
    records = [*records_of(run).values()]
    found: dict[str, str] = {}
    for question in _PLOTTED:
        groups = [*_groups(question, records)]
        if groups:
            found[f"bench-{question}.svg"] = svg(_title(question).rstrip("."), groups)
    return found


def _machine(run: Mapping[str, Any]) -> str:
    machine, versions = run["machine"], run["versions"]
    found = {name.lower(): version for name, version in versions.items()}
    packages = ", ".join(f"{name} {found[name]}" for name in _PACKAGES if name in found)
    seconds = sum(how["seconds"] for how in run["questions"].values())
    rows = {
        "day": run["date"],
        "processor": f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}",
        "system": machine["system"],
        "Python": machine["python"],
        "packages": packages,
        "load before": machine["load"],
        "the run took": f"{seconds / 60:.0f} minutes",
    }
    if "note" in run:
        rows["note"] = run["note"]
    return _table(("the run", ""), rows.items())


def _section(question: str, records: Sequence[Record]) -> str:
    summary, _, rest = docstring(question).partition("\n\n")
    heading = f"## {question.capitalize()}\n\n**{' '.join(summary.split())}**\n"
    has_picture = next(_groups(question, records), None) is not None
    name = f"bench-{question}.svg"
    picture = f"![{_title(question)}](images/{name})\n" if has_picture else ""
    tables = "\n".join(_tables(records)) or "Nothing was measured.\n"
    return "\n".join(filter(None, [heading, picture, tables, f"{rest}\n"]))


def docstring(question: str) -> str:
    """Return what a script says of itself, without loading it."""
    source = (ROOT / "benchmarks" / f"{question}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def _title(question: str) -> str:
    return " ".join(docstring(question).partition("\n\n")[0].split())


def _tables(records: Sequence[Record]) -> Iterator[str]:
    """Yield a table for each loop: a row for each case, a column for each subject."""
    for loop in _each(record.loop for record in records):
        of_loop = [record for record in records if record.loop == loop]
        subjects = _each(record.subject for record in of_loop)
        found = {(record.case, record.subject): record for record in of_loop}
        rows = [
            (
                f"`{case}`",
                " | ".join(_cell(found.get((case, subject))) for subject in subjects),
            )
            for case in _each(record.case for record in of_loop)
        ]
        heading = f"on {loop}" if loop else ""
        yield _table((heading, " | ".join(f"`{subject}`" for subject in subjects)), rows)


def _each(names: Iterable[str]) -> list[str]:
    return [*dict.fromkeys(names)]


def _cell(found: Record | None) -> str:
    if found is None:
        return ""
    text = figure(found.median, found.unit)
    if found.n >= 20:
        text += f" (p99 {figure(found.p99, found.unit)})"
    elif found.n > 1:
        text += f" ({figure(found.q1, found.unit)} to {figure(found.q3, found.unit)})"
    return f"{text}; {found.note}" if found.note else text


def _table(heading: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    columns = heading[1].count(" | ") + 2
    head = [f"| {heading[0]} | {heading[1]} |", f"|{'---|' * columns}"]
    return "\n".join([*head, *(f"| {name} | {cells} |" for name, cells in rows), ""])


def _groups(question: str, records: Sequence[Record]) -> Iterator[Group]:
    """Yield the bars of a question, on asyncio where there are two loops."""
    plotted = _PLOTTED.get(question)
    of_it = [each for each in records if each.question == question and each.loop != "uvloop"]
    if plotted is None:
        return
    for case in plotted or _each(record.case for record in of_it):
        bars = [
            Bar(subject=each.subject, value=each.median, label=figure(each.median, each.unit))
            for each in of_it
            if each.case == case and each.subject not in _COMPARED
        ]
        if bars:
            yield Group(name=case, bars=bars)


def renew(run: Mapping[str, Any], paths: Iterable[Path]) -> list[str]:
    """Put the run's figures where pages quote others; return what cannot be renewed."""
    records = records_of(run)
    left: list[str] = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        for quote in reversed(quotes([path])):
            wrong = disagreement(quote, records)
            if not wrong:
                continue
            found = records.get(quote.id)
            if found is None or found.median is None or quote.what in ("never", "note"):
                left.append(wrong)
                continue
            end = quote.start + len(quote.text)
            text = text[: quote.start] + renewed(quote, found) + text[end:]
        path.write_text(text, encoding="utf-8")
    return left


def main() -> int:
    """Make all of it; return the exit status."""
    run = read(REFERENCE)
    PAGE.write_text(page(run), encoding="utf-8")
    for name, picture in pictures(run).items():
        (IMAGES / name).write_text(picture, encoding="utf-8")
    left = renew(run, pages())
    print(*left, sep="\n")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
