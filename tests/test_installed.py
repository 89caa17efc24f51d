"""Which copy of the package is tested: in this process, and in those that it starts."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import supervisor

ROOT = Path(__file__).parent.parent


@pytest.mark.process
def test_child_processes_import_the_same_copy() -> None:
    """A child has the package from where this process has it."""
    code = "import supervisor; print(supervisor.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == supervisor.__file__


def test_an_installed_wheel_is_what_is_tested() -> None:
    """Where the package was installed as a wheel, it is imported from there and nowhere else."""
    if _is_editable():
        pytest.skip("the package is installed from a checkout, to be edited")
    assert Path(supervisor.__file__).is_relative_to(sysconfig.get_path("purelib"))


def _is_editable() -> bool:
    origin = importlib.metadata.distribution("autogen-supervisor").read_text("direct_url.json")
    return json.loads(origin or "{}").get("dir_info", {}).get("editable", False) is True
