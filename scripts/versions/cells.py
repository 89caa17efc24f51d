"""What was run with which versions, as docs/support.json keeps it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path


@dataclasses.dataclass
class Counts:
    """How many tests ended in which way."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """One suite in one environment."""

    suite: str
    """"quick" or "whole"."""
    python: str
    autogen: str
    dependencies: str
    """"pinned" as in constraints.txt, "oldest" that pyproject.toml allows, or "newest"."""
    packages: dict[str, str]
    system: str
    day: str
    loops: dict[str, Counts]
    """The outcomes on asyncio, on uvloop, and of tests without a loop or that make their own."""
    failed: list[str]
    """The names of the tests that failed."""

    @property
    def key(self) -> tuple[str, str, tuple[int, ...], str]:
        """What a later run of the same cell replaces."""
        return self.suite, self.dependencies, self.minor, self.autogen

    @property
    def minor(self) -> tuple[int, ...]:
        """The Python without its last number."""
        return tuple(int(part) for part in self.python.split(".")[:2])

    def total(self, outcome: str) -> int:
        """Return how many tests were "passed", "failed" or "skipped"."""
        return sum(getattr(counts, outcome) for counts in self.loops.values())


def read(path: Path) -> list[Cell]:
    """Return the cells of a file, none if there is no file."""
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    return [
        Cell(**row | {"loops": {name: Counts(**it) for name, it in row["loops"].items()}})
        for row in found
    ]


def add(path: Path, cell: Cell) -> None:
    """Put a cell into a file, in the place of an older one of the same versions."""
    cells = {old.key: old for old in read(path)} | {cell.key: cell}
    rows = [dataclasses.asdict(cells[key]) for key in sorted(cells)]
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
