"""What `run` loads before it is needed, and how long its help takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.team_files import HOSTILE, write

pytestmark = pytest.mark.process

_HELP = """
import contextlib, io, json, sys
sys.argv = ["autogen-supervisor", "run", "--help"]
from supervisor._cli.main import main
with contextlib.redirect_stdout(io.StringIO()) as help, contextlib.suppress(SystemExit):
    main()
print(json.dumps([help.getvalue(), sorted(sys.modules)]))
"""
_REFUSED = """
import sys
from supervisor._cli.main import main
try:
    main(["run", sys.argv[1], "a task"])
finally:
    print(*sys.modules)
"""
_HEAVY = ("asyncio", "autogen_agentchat", "autogen_core", "prompt_toolkit", "rich", "structlog")


def test_the_help_needs_nothing_heavy() -> None:
    """`run --help` names each option, and loads neither AutoGen nor asyncio."""
    done = subprocess.run(
        [sys.executable, "-c", _HELP], capture_output=True, check=True, timeout=50
    )
    shown, modules = json.loads(done.stdout)
    for option in ("--output-format", "--task-file", "--drain", "--grace", "-m PACKAGE"):
        assert option in shown
    assert not {module.partition(".")[0] for module in modules} & set(_HEAVY)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output-format", "json", "app.py"], "for teams and team files"),
        (["json:loads", "a task"], "json:loads"),
        (["no_such_module:team", "a task"], "no_such_module"),
    ],
)
def test_what_cannot_be_run_is_one_line(words: list[str], said: str) -> None:
    """A usage error and a target that cannot be loaded are one line on stderr, with status 2."""
    command = [sys.executable, "-m", "supervisor", "run", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("supervisor: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_is_one_line() -> None:
    """Where the result cannot be written the status is 1, and stderr says why."""
    words = ["--output-format", "json", "tests.cli.run_targets:answering", "a task"]
    command = [sys.executable, "-m", "supervisor", "run", *words]
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - it is no file of ours
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=50
        )
    assert done.returncode == 1
    assert "stdout cannot be written" in done.stderr


@pytest.mark.parametrize("name", [None, "no_such_module:team"])
def test_what_is_refused_needs_nothing_of_a_run(tmp_path: Path, name: str | None) -> None:
    """A target is loaded before what only a run needs is imported."""
    target = name or str(write(tmp_path, next(iter(HOSTILE.values()))))
    done = subprocess.run(
        [sys.executable, "-c", _REFUSED, target],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("supervisor: ")
    loaded = {module.partition(".")[0] for module in done.stdout.split()}
    assert not loaded & {*_HEAVY, "uvloop"} - {"asyncio"}
    assert "supervisor._runner" not in done.stdout.split()
