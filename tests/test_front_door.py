"""What contributors meet: the Makefile's targets where they are named; the form of commits."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.commit_message import faults
from scripts.docs.links import pages
from scripts.project import ROOT, make_targets, table, version

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
NAMED_IN = (ROOT / ".pre-commit-config.yaml", ROOT / ".ci" / "run", ROOT / ".ci" / "soak")


@pytest.mark.parametrize("path", NAMED_IN, ids=lambda path: path.name)
def test_each_target_that_is_named_exists(path: Path) -> None:
    """A hook or a script names no target that the Makefile does not have."""
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)\b", path.read_text(encoding="utf-8")))
    assert named
    assert named <= make_targets()


@pytest.mark.parametrize("page", pages())
def test_each_target_in_a_sentence_exists(page: str) -> None:
    """A page names no target as code that is not there; `tests/docs` reads whole blocks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert set(re.findall(r"`make ([a-z][a-z-]*)", text)) <= make_targets()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_the_targets_of_the_makefile(path: Path) -> None:
    """Each command of a workflow is a target, so that it can be run in the same way anywhere."""
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    called = set(_called(jobs.values()))
    assert called
    assert called <= make_targets()


def test_each_target_for_a_person_is_listed_by_make_help() -> None:
    """A target is either described, or a part of another one."""
    described = set(re.findall(r"^([a-z-]+):.*  ## \w", MAKEFILE, re.MULTILINE))
    parts = {"style", "types", "types-windows", "verify-types", "floors", "pytest"}
    assert described | parts == make_targets()
    assert not described & parts


def test_everything_that_is_installed_is_pinned_once() -> None:
    """Each dependency, and each package of the groups, has one version in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [_canonical(line) for line in lines if not line.startswith("#")]
    groups = table()["optional-dependencies"].values()
    wanted = {_canonical(line) for group in [table()["dependencies"], *groups] for line in group}
    assert wanted - {*pinned} == set()
    assert len(pinned) == len({*pinned})


def test_the_changelog_has_this_version() -> None:
    """The newest release in the changelog is that of pyproject.toml, with its day."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest, day = re.findall(r"^## \[(\d[^]]*)\] - (\S+)$", changelog, re.MULTILINE)[0]
    assert newest == version()
    assert dt.date.fromisoformat(day) >= dt.date(2026, 1, 1)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_issue_templates_can_be_read(path: Path) -> None:
    """Each form has what a forge needs: a name, a description, fields with ids of their own."""
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "config":
        assert form == {"blank_issues_enabled": True}
        return
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert form["name"]
    assert form["description"]
    assert len(ids) == len(set(ids)) > 0


@pytest.mark.parametrize(
    "message",
    [
        "Let a drained run end",
        "docs: say what a lease is\n\nNobody could tell.\n",
        "x" * 72,
        "fixup! " + "x" * 90,
        "Let it end\n\n# Please enter the message.\n",
    ],
)
def test_a_message_in_form_is_taken(message: str) -> None:
    """A short subject, an empty line, a body; git's own messages and comments are left alone."""
    assert faults(message) == []


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("", "no subject"),
        ("# only a comment", "no subject"),
        ("x" * 73, "73 columns"),
        ("Let it end.", "full stop"),
        ("Let it end\nat once", "second line"),
    ],
)
def test_a_message_out_of_form_is_refused(message: str, said: str) -> None:
    """What is wrong is named."""
    assert [said in fault for fault in faults(message)] == [True]


def _called(jobs: Iterable[Any]) -> Iterable[str]:
    for job in jobs:
        for step in job["steps"]:
            if "run" not in step:
                continue
            command = step["run"]
            matrix = job.get("strategy", {}).get("matrix", {})
            names = matrix["target"] if "${{ matrix.target }}" in command else [""]
            for name in names:
                words = command.replace("${{ matrix.target }}", name).split()
                assert words[0] == "make", command
                yield words[1]


def _canonical(requirement: str) -> str:
    """Return the name of a package, as an index compares names."""
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")
