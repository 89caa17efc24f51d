"""Which versions of AutoGen are refused, and what a program says that has another one."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from supervisor import UsageError
from supervisor._core.autogen_versions import SUPPORTED, is_supported, refuse_unsupported

ROOT = Path(__file__).parent.parent.parent.parent

_PROGRAM = """
import asyncio
from supervisor import Supervisor

async def main():
    async with Supervisor() as sup:
        await sup.stream(object(), "go")

asyncio.run(main())
"""


@pytest.mark.parametrize("version", ["0.7.0", "0.7.5", "0.7.6.dev1"])
def test_the_line_that_is_tested_is_taken(version: str) -> None:
    """Each release of AutoGen 0.7, and what comes before one."""
    assert is_supported(version)
    refuse_unsupported(version)


@pytest.mark.parametrize("version", ["0.4.9.3", "0.6.4", "0.8.0", "0.70.0", "1.0"])
def test_another_version_is_refused_by_one_line(version: str) -> None:
    """The line has the version, and the command that installs one that works."""
    with pytest.raises(UsageError) as raised:
        refuse_unsupported(version)
    said = str(raised.value)
    assert version in said
    assert f"pip install 'autogen-agentchat{SUPPORTED}'" in said
    assert "\n" not in said


def test_the_range_is_the_one_that_pip_reads() -> None:
    """Each requirement on AutoGen in pyproject.toml, but for those of the tests, has this range."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    lines = [*project["dependencies"]]
    lines += [line for extra in optional.keys() - {"dev"} for line in optional[extra]]
    ours = [line for line in lines if line.startswith("autogen-")]
    assert ours
    assert all(line.endswith(SUPPORTED) for line in ours)


@pytest.mark.process
def test_a_program_with_another_version_says_so_at_its_first_run(tmp_path: Path) -> None:
    """The error comes before AutoGen's private names are imported, and names both versions."""
    package = tmp_path / "autogen_agentchat" / "__init__.py"
    package.parent.mkdir()
    package.write_text('__version__ = "0.6.4"\n', encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    last = found.stderr.splitlines()[-1]
    assert last.startswith("supervisor.errors.UsageError: autogen-agentchat 0.6.4 is ")
    assert found.returncode == 1
