"""Make a release that anyone can make again, byte for byte: `make release`.

It checks that the commit can be released, builds it twice from what git has of it, compares the
two, and leaves the files with their digests in `dist/`. With `TAG=1` it then makes the tag; pushing
the tag publishes (`.github/workflows/release.yml`).

The two builds differ in all that a build should not depend on: the folder, the umask, the time zone
and the language. The time in the archives is that of the commit, by `SOURCE_DATE_EPOCH`. So whoever
has the tag and the pinned build backend gets the same digests.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from scripts import project
from scripts.project import ROOT

DIGESTS: Final = "SHA256SUMS"
# What a build should not depend on, in two states.
STATES: Final[tuple[tuple[str, int, Mapping[str, str]], ...]] = (
    ("a", 0o022, {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"}),
    ("b/with/a longer path", 0o077, {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "2"}),
)


class NotReady(Exception):
    """The commit cannot be released; the message says what to do first."""


def main() -> int:
    """Check, build, compare, and tag if that is asked for; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--tag", action="store_true", help="make the tag afterwards")
    parser.add_argument("--to", type=Path, default=ROOT / "dist", help="folder of the files")
    options = parser.parse_args()
    try:
        version = project.version()
        notes = notes_of(version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
        check_commit(ROOT, version)
        for name, digest in build_twice(ROOT, options.to).items():
            print(f"{digest}  {name}")
        if options.tag:
            message = f"autogen-supervisor {version}\n\n{notes}"
            _git(ROOT, "tag", "--annotate", f"v{version}", "--cleanup=verbatim", "-m", message)
            print(f"The tag v{version} is made. To publish it: git push origin v{version}")
    except NotReady as problem:
        print(f"release: {problem}", file=sys.stderr)
        return 1
    return 0


def notes_of(version: str, changelog: str) -> str:
    """Return what the changelog says of a version.

    Raises:
        NotReady: It does not say anything, or it has no day.
    """
    title = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n"
    found = re.search(rf"{title}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise NotReady(
            f"CHANGELOG.md has no section of {version}; write '## [{version}] - YYYY-MM-DD'"
        )
    if not found[1].strip():
        raise NotReady(f"the section of {version} in CHANGELOG.md is empty; say what is new")
    return found[1].strip() + "\n"


def check_commit(root: Path, version: str) -> None:
    """Check that what git has is what is here, and that the version is new.

    Raises:
        NotReady: Something is not committed, or the tag belongs to another commit.
    """
    changed = _git(root, "status", "--porcelain")
    if changed:
        raise NotReady(f"these are not committed; commit or remove them first:\n{changed}")
    tagged = _git(root, "tag", "--list", f"v{version}", "--format=%(*objectname)")
    if tagged and tagged != _git(root, "rev-parse", "HEAD"):
        raise NotReady(f"the tag v{version} exists; write a newer version into pyproject.toml")


def build_twice(root: Path, to: Path) -> dict[str, str]:
    """Build what git has of the commit twice, and keep the files if they are the same.

    Args:
        root: A checkout.
        to: The folder for the files and for `SHA256SUMS`.

    Returns:
        The SHA-256 of each file, by its name.

    Raises:
        NotReady: The builds differ; the message names the files.
    """
    with tempfile.TemporaryDirectory() as scratch:
        first, second = (
            _build(root, Path(scratch) / folder, umask, environment)
            for folder, umask, environment in STATES
        )
        digests = {path.name: _digest(path) for path in sorted(first.iterdir())}
        again = {path.name: _digest(path) for path in sorted(second.iterdir())}
        differing = sorted(dict(digests.items() ^ again.items()))
        if differing:
            raise NotReady(f"two builds of one commit differ in {', '.join(differing)}")
        to.mkdir(parents=True, exist_ok=True)
        for path in first.iterdir():
            (to / path.name).write_bytes(path.read_bytes())
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    (to / DIGESTS).write_text(lines, encoding="utf-8")
    return digests


def _build(root: Path, folder: Path, umask: int, environment: Mapping[str, str]) -> Path:
    folder.mkdir(parents=True)
    clone, built = folder / "clone", folder / "built"
    _git(root, "clone", "--quiet", "--depth=1", root.as_uri(), str(clone))
    moment = {"SOURCE_DATE_EPOCH": _git(root, "log", "-1", "--format=%ct")}
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", str(built)],
        cwd=clone,
        env=os.environ | environment | moment,
        umask=umask,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise NotReady(f"the build failed:\n{done.stderr.decode()}")
    return built


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], check=True, stdout=subprocess.PIPE)
    return done.stdout.decode().strip()


if __name__ == "__main__":
    sys.exit(main())
