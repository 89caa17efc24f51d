"""Run a suite in this environment, and note which versions it ran with and what came of it.

`python -m scripts.versions.cell --suite=quick --dependencies=pinned --to=docs/support.json`; nox
runs it in each of its environments. Without `--to` nothing is noted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from scripts.project import ROOT
from scripts.versions.cells import Cell, Counts, add

AUTOGEN: Final = "tests/unit/autogen"
QUICK: Final = (
    "tests/unit/core",
    f"{AUTOGEN}/upstream",
    f"{AUTOGEN}/test_stop.py",
    f"{AUTOGEN}/test_fast_path_shortcut.py",
    f"{AUTOGEN}/checkpoints/test_code_and_answers.py",
    "tests/checkpoints/test_going_on.py",
    "tests/process/test_signals.py",
    "tests/test_examples.py::test_a_stopped_example_tells_what_it_has",
    "tests/test_examples.py::test_code_stops_runs_in_three_ways",
    "tests/test_installed.py",
)
PACKAGES: Final = ("structlog", "uvloop", "prompt_toolkit", "rich", "PyYAML", "mcp", "pydantic")
# A test that reads the checkout says nothing about an installed wheel.
FOR_A_WHEEL: Final = ("-m", "not soak and not checkout")


def main() -> int:
    """Run, note, and return pytest's status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--suite", choices=("quick", "whole"), default="quick")
    parser.add_argument("--dependencies", default="pinned")
    parser.add_argument("--to", type=Path)
    parser.add_argument("--wheel", action="store_true", help="leave out what needs the checkout")
    options = parser.parse_args()
    paths = QUICK if options.suite == "quick" else ()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        chosen = FOR_A_WHEEL if options.wheel else ()
        words = ["-q", "-n", os.environ.get("WORKERS", "2"), "-rfE", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", *words, *chosen, *paths]
        done = subprocess.run(command, cwd=ROOT, check=False)
        if options.to is not None and report.exists():
            cell = cell_of(report, options.suite, options.dependencies)
            add(options.to, cell)
    return done.returncode


def cell_of(report: Path, suite: str, dependencies: str) -> Cell:
    """Return what a report of pytest's says, with the versions of this environment."""
    loops = {"asyncio": Counts(), "uvloop": Counts(), "no loop": Counts()}
    failed = list[str]()
    for case in ET.parse(report).iter("testcase"):
        name = case.get("name", "")
        counts = loops[next((loop for loop in ("asyncio", "uvloop") if loop in name), "no loop")]
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed += 1
            failed.append(f"{case.get('classname', '')}::{name}")
        elif case.find("skipped") is not None:
            counts.skipped += 1
        else:
            counts.passed += 1
    return Cell(
        suite=suite,
        python=platform.python_version(),
        autogen=version("autogen-agentchat"),
        dependencies=dependencies,
        packages={name: found for name in PACKAGES if (found := _version(name))},
        system=f"{platform.system()} {platform.machine()}",
        day=dt.datetime.now(tz=dt.UTC).date().isoformat(),
        loops=loops,
        failed=failed,
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
