"""The package in figures: its widest classes, its longest modules, and the public names.

Run it in any checkout; it names no module of the package. `_house.py` says how classes and modules
are counted. The public names are those of `dir()` without a leading underscore: of the package, of
a `Supervisor`, and of the run that its `stream()` returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import supervisor
from benchmarks._bench import Streamer, result, team_of
from benchmarks._house import ClassSize, classes, modules

_SHOWN = 12
_MOST_METHODS, _MOST_ATTRIBUTES, _MOST_LINES = 25, 15, 400
_PACKAGE = Path(supervisor.__file__).parent


def main() -> None:
    """Print all of it."""
    _tell_classes()
    _tell_modules()
    asyncio.run(_tell_surfaces())


def _tell_classes() -> None:
    found = classes(_PACKAGE)
    too_wide = [
        size for size in found if size.methods > _MOST_METHODS or size.attributes > _MOST_ATTRIBUTES
    ]
    result("classes", str(len(found)))
    limits = f"{_MOST_METHODS} methods or {_MOST_ATTRIBUTES} attributes"
    result(f"classes with more than {limits}", _listed(size.name for size in too_wide))
    for number, size in enumerate(found[:_SHOWN], 1):
        result(f"class {number} by methods", _wide(size))
    by_attributes = sorted(found, key=lambda size: (-size.attributes, -size.methods, size.name))
    most = (f"{size.name} {size.attributes}" for size in by_attributes[:_SHOWN])
    result("most attributes", ", ".join(most))


def _wide(size: ClassSize) -> str:
    return (
        f"{size.name} ({size.module}): {size.methods} methods, "
        f"{size.attributes} attributes, {size.lines} lines"
    )


def _tell_modules() -> None:
    found = modules(_PACKAGE)
    long = [module.name for module in found if module.lines > _MOST_LINES]
    result("modules", f"{len(found)}, {sum(module.lines for module in found)} lines")
    result(f"modules of more than {_MOST_LINES} lines", _listed(long))
    for number, module in enumerate(found[:_SHOWN], 1):
        result(f"module {number} by length", f"{module.name}: {module.lines} lines")


async def _tell_surfaces() -> None:
    async with supervisor.Supervisor(signals={}) as sup:
        run = sup.stream(team_of(Streamer(1)), "nothing")
        run.close()  # it never starts
        for what, shown in (("supervisor", supervisor), ("Supervisor()", sup), ("a run", run)):
            names = [name for name in dir(shown) if not name.startswith("_")]
            result(f"public names of {what}", _listed(names))


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return f"{len(found)}: {', '.join(found)}" if found else "0"


if __name__ == "__main__":
    main()
