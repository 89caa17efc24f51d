"""The table of AutoGen's issues says what the examples show, and each row has its example."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "examples" / "issues"
PAGE = ROOT / "docs" / "autogen-issues.md"
LIMIT_SECONDS = 100

_ROW = re.compile(
    r"^\| \[#(?P<number>\d+)\]\(https://github\.com/microsoft/autogen/(?:issues|pull)/(?P=number)\)"
    r"<br>(?P<title>.+?)<br>\[example\]\(\.\./examples/issues/issue_(?P=number)\.py\) "
    r"\| (?P<alone>.+?) \| (?P<supervised>.+?) \|$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Row:
    """A row of the table of what is solved."""

    number: str
    title: str
    alone: str
    supervised: str


ROWS = {row["number"]: Row(*row.groups()) for row in _ROW.finditer(PAGE.read_text())}


def test_each_row_has_its_example_and_each_example_its_row() -> None:
    """The numbers of the rows and those of the files are the same, and there are many."""
    files = [file.stem.removeprefix("issue_") for file in FOLDER.glob("issue_*.py")]

    assert sorted(files) == sorted(ROWS)
    assert len(ROWS) >= 15


def test_an_example_begins_with_its_issue() -> None:
    """The first line of each is the number and the title that the page has."""
    for row in ROWS.values():
        docstring = ast.get_docstring(ast.parse((FOLDER / f"issue_{row.number}.py").read_text()))
        assert docstring
        assert docstring.splitlines()[0] == f"#{row.number}: {row.title.rstrip('.')}."


@pytest.mark.process
@pytest.mark.blocks
@pytest.mark.timeout(LIMIT_SECONDS + 20)
def test_under_the_supervisor_it_is_as_the_page_says() -> None:
    """The supervised half of every example has the outcome that stands in its row."""
    numbers = [number for number in ROWS if _can_run(number)]
    command = [sys.executable, "-m", "tests.docs.supervised_halves", *numbers]
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,  # nobody writes to it: who asks the user waits
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    outcomes = json.loads(_all_of(child))

    assert [*outcomes] == numbers
    for number, outcome in outcomes.items():
        assert f"`{outcome}`" in ROWS[number].supervised


@pytest.mark.soak
@pytest.mark.process
@pytest.mark.blocks
@pytest.mark.timeout(LIMIT_SECONDS + 20)
@pytest.mark.parametrize("number", [number for number in ROWS if "`" in ROWS[number].alone])
def test_autogen_by_itself_is_as_the_page_says(number: str) -> None:
    """AutoGen's half has the outcome that stands in its row."""
    if not _can_run(number):
        pytest.skip("needs the extra `mcp`")
    child = subprocess.Popen(
        [sys.executable, str(FOLDER / f"issue_{number}.py"), "alone"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    said = _all_of(child)

    outcomes = re.findall(r"`(.+?)`", ROWS[number].alone)
    assert any(f"{outcome}\n" in said for outcome in outcomes), said


def _can_run(number: str) -> bool:
    return number != "8265" or importlib.util.find_spec("mcp") is not None


def _all_of(child: subprocess.Popen[str]) -> str:
    """Return what a child prints. One that waits for the user at its end gets a line."""
    assert child.stdout is not None
    with child:
        try:
            said = child.stdout.readline()
            return said + child.communicate("\n", timeout=LIMIT_SECONDS)[0]
        except subprocess.TimeoutExpired:
            child.kill()
            pytest.fail(f"It did not end; it said {said!r}.")
