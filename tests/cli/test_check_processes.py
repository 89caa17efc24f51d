"""`check` in processes of its own: what it sees of who has started it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.process

CHECK = f"{sys.executable} -m supervisor check --json"


def checked(script: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the status and the findings of a check that a shell starts."""
    done = subprocess.run(
        ["sh", "-c", script], stdout=subprocess.PIPE, text=True, check=False, timeout=60
    )
    report = json.loads(done.stdout)
    levels = [each["level"] for each in report["findings"]]
    assert report["problems"] == levels.count("problem")
    return done.returncode, report["findings"]


def test_a_check_of_this_machine() -> None:
    """SIGTERM is heard here, and the status agrees with the findings."""
    status, found = checked(f"exec {CHECK}")
    assert status == any(each["level"] == "problem" for each in found)
    assert any(each["says"] == "SIGTERM is heard" for each in found)


def test_a_launcher_that_ignores_sigterm_is_a_problem() -> None:
    """What a shell's trap has taken away cannot be seen later, and is seen here."""
    status, found = checked(f"trap '' TERM; exec {CHECK}")
    assert status == 1
    assert any(each["says"].startswith("SIGTERM was ignored") for each in found)


def test_a_closed_stdin_is_no_error() -> None:
    """A daemon has none."""
    status, _ = checked(f"exec {CHECK} <&-")
    assert status in (0, 1)
