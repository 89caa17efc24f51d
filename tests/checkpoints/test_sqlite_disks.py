"""SQLite on a full disk and on files that may not be written: an error says so, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.checkpoints.preloaded import run_scenario
from tests.checkpoints.sqlite_disks import fill_a_disk, limit_a_file, open_as_another

pytestmark = pytest.mark.process

_UNSHARE = ["unshare", "--mount"]


def _can_mount() -> bool:
    try:
        command = [*_UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not _can_mount(), reason="this machine lets us mount no disk")
def test_a_full_disk_loses_no_finished_turn(tmp_path: Path) -> None:
    """Each commit that does not fit says so and changes nothing; with room the run goes on."""
    found = run_scenario(fill_a_disk, within=_UNSHARE, folder=str(tmp_path))
    assert found == {"problems": ["the disk is full"], "went on": True}


def test_a_file_that_may_not_grow_loses_no_finished_turn(tmp_path: Path) -> None:
    """The same holds where a limit of the process is what the write meets."""
    found = run_scenario(limit_a_file, folder=str(tmp_path))
    assert found == {"problems": ["disk I/O error"], "went on": True}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize(
    ("modes", "said"),
    [
        ({"runs.db": 0o666}, "done"),
        ({"runs.db": 0o600}, "the file cannot be read and written"),
        ({"runs.db": 0o444}, "the file cannot be read and written"),
        ({".": 0o555, "runs.db": 0o666}, "the file, or its folder, cannot be written"),
        ({".": 0o600}, "Permission denied"),
    ],
)
def test_a_file_that_may_not_be_written_is_said(modes: dict[str, int], said: str) -> None:
    """Files and folders of another user, or read-only ones, are said in one line."""
    with tempfile.TemporaryDirectory() as folder:  # into which others may go
        Path(folder).chmod(0o777)
        found = run_scenario(open_as_another, folder=folder, modes=modes)
    assert said in found
    assert "\n" not in found
