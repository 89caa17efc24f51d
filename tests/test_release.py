"""The release script, on a small project with a git repository of its own."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from scripts.release import NotReady, build_twice, check_commit, notes_of

pytestmark = pytest.mark.process

CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-01-31

### Added

- A thing.

## [1.1.0] - 2025-12-01

## [1.0.0]
"""
PROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "small"
dynamic = ["version"]

[tool.hatch.version]
source = "code"
path = "version.py"

[tool.hatch.build]
include = ["small.py"]
"""


def test_the_notes_are_the_section_of_the_version() -> None:
    """A release says what the changelog says of it, without its title and without older ones."""
    assert notes_of("1.2.0", CHANGELOG) == "### Added\n\n- A thing.\n"


@pytest.mark.parametrize(
    ("version", "said"), [("1.3.0", "no section"), ("1.0.0", "no section"), ("1.1.0", "is empty")]
)
def test_a_version_without_notes_is_not_released(version: str, said: str) -> None:
    """A section that is missing, has no day, or says nothing, is a reason not to release."""
    with pytest.raises(NotReady, match=said):
        notes_of(version, CHANGELOG)


def test_what_is_not_committed_is_not_released(repository: Path) -> None:
    """A file that git does not have would be in no build of anybody else's."""
    check_commit(repository, "1.0")
    (repository / "new.py").touch()
    with pytest.raises(NotReady, match=r"new\.py"):
        check_commit(repository, "1.0")


def test_a_tag_belongs_to_one_commit(repository: Path) -> None:
    """The version that an older commit has as its tag is refused; on its own commit it is not."""
    _git(repository, "tag", "--annotate", "v1.0", "-m", "1.0")
    check_commit(repository, "1.0")
    _git(repository, "commit", "--quiet", "--allow-empty", "-m", "Go on")
    with pytest.raises(NotReady, match=r"v1\.0 exists"):
        check_commit(repository, "1.0")


def test_two_builds_of_a_commit_are_kept_with_their_digests(
    repository: Path, tmp_path: Path
) -> None:
    """Wheel and source are in the folder, and `SHA256SUMS` has what they are."""
    digests = build_twice(repository, tmp_path / "dist")
    assert [name.rpartition(".")[2] for name in digests] == ["whl", "gz"]
    lines = (tmp_path / "dist" / "SHA256SUMS").read_text().splitlines()
    for line, (name, digest) in zip(lines, digests.items(), strict=True):
        found = hashlib.sha256((tmp_path / "dist" / name).read_bytes()).hexdigest()
        assert line == f"{digest}  {name}"
        assert found == digest


def test_a_build_that_depends_on_its_place_is_refused(repository: Path, tmp_path: Path) -> None:
    """Where two builds of one commit differ, nothing is kept, and the files are named."""
    code = "import os, zlib\n__version__ = f'1.{zlib.crc32(os.getcwd().encode())}'\n"
    (repository / "version.py").write_text(code)
    _git(repository, "commit", "--quiet", "--all", "-m", "Depend on the folder")
    with pytest.raises(NotReady, match=r"differ in small-.*\.tar\.gz, "):
        build_twice(repository, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with one commit of a project that hatchling can build."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "version.py").write_text('__version__ = "1.0"\n')
    (folder / "small.py").touch()
    _git(folder, "init", "--quiet")
    for name, value in (("user.name", "A"), ("user.email", "a@b.invalid"), ("gc.auto", "0")):
        _git(folder, "config", name, value)
    _git(folder, "add", ".")
    _git(folder, "commit", "--quiet", "-m", "Begin")
    return folder


def _git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, stdout=subprocess.DEVNULL)
