"""What the tests of hosts share: versions that cannot live beside the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.servers import ROOT


@pytest.fixture(scope="session")
def old_uvicorn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables with which uvicorn 0.44 is found before the one that is installed."""
    folder = tmp_path_factory.mktemp("uvicorn-0.44")
    install("uvicorn==0.44.0", folder)
    return {"PYTHONPATH": str(folder)}


def install(requirement: str, folder: Path) -> None:
    """Install one distribution, alone, into a folder; skip the test where it is not to be had."""
    command = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--target", str(folder)]
    found = subprocess.run([*command, requirement], cwd=ROOT, capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"{requirement} cannot be installed here")
