"""docs/support.md: it shows what was run, and covers all that the package claims."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.project import ROOT, table
from scripts.versions import cell, cells, page

CELLS = cells.read(page.DATA)
PROJECT = table()


def test_the_page_shows_the_data() -> None:
    """The page is what the script makes of docs/support.json; `make matrix` writes it anew."""
    assert page.PAGE.read_text(encoding="utf-8") == page.page(CELLS, PROJECT)


def test_each_python_that_is_claimed_was_run() -> None:
    """Each Python of the classifiers has passed the quick suite with the newest AutoGen."""
    passed = {
        ".".join(map(str, it.minor))
        for it in CELLS
        if it.autogen == page.NEWEST_AUTOGEN and not it.total("failed") and it.total("passed") > 100
    }
    assert set(page.claimed_pythons(PROJECT)) <= passed


def test_each_autogen_that_is_accepted_was_run() -> None:
    """Each AutoGen that the nox sessions name has passed, on asyncio and on uvloop."""
    named = re.search(r"^AUTOGENS = \[(.*)\]$", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    assert named
    versions = re.findall(r"[\d.]+", named[1])
    assert versions[-1] == page.NEWEST_AUTOGEN
    for version in versions:
        found = [it for it in CELLS if it.autogen == version and not it.total("failed")]
        assert any(it.loops["asyncio"].passed and it.loops["uvloop"].passed for it in found)


def test_nothing_that_is_listed_has_failed() -> None:
    """A version whose tests fail is not supported: mend it, or accept it no more."""
    assert [(it.key, it.failed) for it in CELLS if it.failed] == []


def test_each_part_of_the_quick_suite_exists() -> None:
    """What was moved or renamed would be missing from each cell."""
    for path in cell.QUICK:
        file, _, test = path.partition("::")
        assert (ROOT / file).exists(), path
        assert not test or f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), path


def test_a_report_is_counted_by_loop(tmp_path: Path) -> None:
    """The outcomes are told apart by the loop in a test's name, and what failed is named."""
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="a" name="t[asyncio]"/>'
        '<testcase classname="a" name="t[uvloop]"><failure/></testcase>'
        '<testcase classname="a" name="u"><skipped/></testcase></testsuite></testsuites>'
    )
    found = cell.cell_of(report, "quick", "pinned")
    assert found.loops["asyncio"] == cells.Counts(passed=1)
    assert found.loops["uvloop"] == cells.Counts(failed=1)
    assert found.loops["no loop"] == cells.Counts(skipped=1)
    assert found.failed == ["a::t[uvloop]"]


def test_a_later_run_replaces_the_earlier_one(tmp_path: Path) -> None:
    """There is one cell for each suite, Python, AutoGen and set of dependencies."""
    data = tmp_path / "support.json"
    for counts in (cells.Counts(failed=1), cells.Counts(passed=2)):
        cells.add(data, _cell(counts, python="3.12.1"))
    cells.add(data, _cell(cells.Counts(passed=3), python="3.13.0"))
    assert [it.loops["asyncio"].passed for it in cells.read(data)] == [2, 3]


def _cell(counts: cells.Counts, *, python: str) -> cells.Cell:
    return cells.Cell(
        suite="quick",
        python=python,
        autogen="0.7.5",
        dependencies="pinned",
        packages={},
        system="Linux x86_64",
        day="2026-01-01",
        loops={"asyncio": counts},
        failed=[],
    )
