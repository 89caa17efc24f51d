"""`run --id` in processes of its own: cancelled from elsewhere, and stopped."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.headless import PATIENCE, ROOT, headless

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the turns are noted, in which the user's store is, too."""
    monkeypatch.setenv("KEPT_IN", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("SUPERVISOR_CHECKPOINTS", raising=False)
    return tmp_path


def _command(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Do what a command line says that begins with the program's name."""
    return subprocess.run(
        [sys.executable, "-m", "supervisor", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def test_a_run_is_cancelled_from_another_process(folder: Path) -> None:
    """It ends in order with status 1, and nothing goes on with it."""
    with headless("kept", "--id", "one") as run:
        run.until('"source": "bob"')
        assert "told to stop" in _command(["cancel", "one"]).stdout
        run.until('"result"')
        assert run.process.wait(PATIENCE) == 1
    result = bytes(run.raw).splitlines()[-1].decode()
    assert '"status": "stopped"' in result
    assert '"resume": null' in result
    refused = _command(["run", "tests.cli.run_targets:kept", "--id", "one"])
    assert refused.returncode == 1
    assert "was cancelled" in refused.stdout
    assert refused.stderr == ""


def test_a_person_is_told_how_to_go_on(folder: Path) -> None:
    """The line comes last, on stdout."""
    target = "tests.cli.run_targets:kept"
    done = _command(["run", target, "a task", "--id", "one", "--timeout", "0.5", "--drain", "0"])
    assert done.returncode == 124
    assert done.stdout.endswith(f"\nResume with: autogen-supervisor run {target} --id one\n")
