"""Make docs/support.md from docs/support.json: which versions were tested, and which were not.

`python -m scripts.versions.page` writes it; `make matrix` does so at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from scripts.project import ROOT, table
from scripts.versions.cells import Cell, read

PAGE: Final = ROOT / "docs" / "support.md"
DATA: Final = ROOT / "docs" / "support.json"
NEWEST_AUTOGEN: Final = "0.7.5"
NOT_YET: Final = ("3.14",)
"""Pythons that are not among the classifiers of the package."""

_HEAD: Final = """\
# Supported versions

This page lists the versions of Python, AutoGen and other packages with which the tests were run,
and what was not run. `make matrix` runs the tests again and writes the page; do not change it by
hand.

The supervisor needs some private names of AutoGen. Each has a contract test, so a version of
AutoGen that changes one fails a test that names it. With a version outside `{autogen}` the first
run raises a `UsageError` that names the version to install.
"""

_SUITES: Final = """\
The **quick** suite has these contract tests, the rules of a stop, stops at many moments, and some
real processes with real signals. The **whole** suite is what `make test` runs. Each `async def`
test runs on asyncio and on uvloop; "other" tests have no loop, or start their own. A test is
skipped where the machine or the version lacks what it needs.
"""

_NOT_RUN: Final = """\
## What was not run

- **Windows and macOS**: no test was run there. `make check` checks the types that the package has
  on Windows. What Windows does otherwise is in [containers.md](guide/containers.md#windows).
- **Other processors**: all of it ran on {systems}.
- **PyPy** and other interpreters than CPython; CPython without the GIL.
- **AutoGen 0.6 and older**: they lack names that the supervisor needs. The first one missing is
  `autogen_agentchat.teams._group_chat._events.GroupChatTeamResponse`, which came with 0.7.0, when
  a team could become a member of another.
{missing}"""

_Row = tuple[str, ...]


def page(cells: Sequence[Cell], project: dict[str, Any]) -> str:
    """Return the page for these cells.

    Args:
        cells: What was run.
        project: The table `project` of pyproject.toml.
    """
    pinned = [cell for cell in cells if cell.dependencies == "pinned"]
    others = [cell for cell in cells if cell.dependencies != "pinned"]
    parts = [
        _HEAD.format(autogen=autogen_range(project)),
        _SUITES,
        "## Python\n",
        f"AutoGen {NEWEST_AUTOGEN}, and the other packages as `constraints.txt` pins them.\n",
        _table("Python", lambda cell: cell.python, _with_newest_autogen(pinned)),
        "## AutoGen\n",
        "All three packages of AutoGen in one version, the other packages as pinned.\n",
        _table("AutoGen", _autogen_and_python, _with_each_autogen(pinned)),
        "## Other packages\n",
        "The oldest versions that `pyproject.toml` allows, and the newest that there are.\n",
        _table("versions", _dependencies, others),
        _NOT_RUN.format(
            systems=" and ".join(sorted({cell.system for cell in cells})),
            missing="".join(_missing(cells, project)),
        ),
    ]
    return "\n".join(parts)


def claimed_pythons(project: dict[str, Any]) -> list[str]:
    """Return the Pythons that the package claims to support, by its classifiers."""
    last = [line.rpartition(" :: ")[2] for line in project["classifiers"]]
    return [word for word in last if word.startswith("3.")]


def autogen_range(project: dict[str, Any]) -> str:
    """Return the versions of AutoGen that pip accepts."""
    (line,) = (it for it in project["dependencies"] if it.startswith("autogen-agentchat"))
    return str(line.removeprefix("autogen-agentchat"))


def _with_newest_autogen(cells: Iterable[Cell]) -> list[Cell]:
    found = [cell for cell in cells if cell.autogen == NEWEST_AUTOGEN]
    return sorted(found, key=lambda cell: (cell.minor, cell.suite))


def _with_each_autogen(cells: Sequence[Cell]) -> list[Cell]:
    oldest_python = min((cell.minor for cell in cells), default=())
    found = [cell for cell in cells if cell.suite == "quick" and cell.minor == oldest_python]
    return sorted(found, key=lambda cell: cell.autogen)


def _autogen_and_python(cell: Cell) -> str:
    return f"{cell.autogen}, Python {cell.python}"


def _dependencies(cell: Cell) -> str:
    names = ", ".join(f"{name} {version}" for name, version in cell.packages.items())
    return f"{cell.dependencies}: AutoGen {cell.autogen}, Python {cell.python}, {names}"


def _table(what: str, first: Callable[[Cell], str], cells: Sequence[Cell]) -> str:
    rows: list[_Row] = [(what, "suite", "asyncio", "uvloop", "other", "day")]
    rows.append(("---",) * 6)
    rows += [_row(first(cell), cell) for cell in cells]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _row(first: str, cell: Cell) -> _Row:
    asyncio, uvloop, other = (_counts(cell, loop) for loop in ("asyncio", "uvloop", "no loop"))
    return first, cell.suite, asyncio, uvloop, other, cell.day


def _counts(cell: Cell, loop: str) -> str:
    counts = cell.loops[loop]
    parts = [f"{counts.passed} passed"]
    if counts.failed:
        parts.append(f"**{counts.failed} failed**")
    if counts.skipped:
        parts.append(f"{counts.skipped} skipped")
    return ", ".join(parts)


def _missing(cells: Iterable[Cell], project: dict[str, Any]) -> Iterable[str]:
    run = {".".join(map(str, cell.minor)) for cell in cells}
    for python in [*claimed_pythons(project), *NOT_YET]:
        if python not in run:
            yield f"- **Python {python}**: not found on the machine that ran these.\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(read(DATA), table()), encoding="utf-8")


if __name__ == "__main__":
    main()
