"""What pyproject.toml and the Makefile say of the project, for scripts and tests."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final

__all__ = ["ROOT", "extras", "make_targets", "repository", "table", "version"]

ROOT: Final = Path(__file__).resolve().parent.parent


def table(root: Path = ROOT) -> dict[str, Any]:
    """Return the table `project` of pyproject.toml."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text)["project"]
    return found


def version(root: Path = ROOT) -> str:
    """Return the version that a checkout has."""
    return str(table(root)["version"])


@cache
def repository() -> str:
    """Return the address of the repository on its forge."""
    return str(table()["urls"]["Source"]).rstrip("/")


@cache
def extras() -> frozenset[str]:
    """Return the names of the groups of optional dependencies."""
    return frozenset(table()["optional-dependencies"])


@cache
def make_targets() -> frozenset[str]:
    """Return the targets of the Makefile, without the files that it makes."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE))
