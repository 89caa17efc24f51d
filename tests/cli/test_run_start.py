"""How a run begins: what it loads, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_help import HEAVY
from tests.unit.cli.team_files import HOSTILE, write

pytestmark = pytest.mark.process

_REFUSED = """
import sys
from supervisor._cli.main import main
try:
    main(["run", sys.argv[1], "a task"])
finally:
    print(*sys.modules)
"""


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
    modules = set(done.stdout.split())
    # The outermost module of AutoGen has its version only, and is small.
    loaded = {module.partition(".")[0] for module in modules - {"autogen_agentchat"}}
    assert not loaded & {*HEAVY, "uvloop"} - {"asyncio"}
    assert "supervisor._runner" not in modules


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize(
    ("words", "status", "result"),
    [(["--nothing"], 2, None), (["tests.cli.run_targets:failing", "a task"], 1, "failed")],
)
def test_a_stderr_that_cannot_be_written_changes_nothing_else(
    words: list[str], status: int, result: str | None
) -> None:
    """The status and the result are those of the run."""
    command = [sys.executable, "-m", "supervisor", "run", "--output-format", "json", *words]
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - it is no file of ours
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, check=False, timeout=50)
    assert done.returncode == status
    assert (json.loads(done.stdout)["status"] if done.stdout else None) == result


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_without_stdout_nothing_is_written_to_another_file(tmp_path: Path) -> None:
    """A file that the target opens does not get the number of the closed stdout."""
    target = tmp_path / "opens.py"
    target.write_text(
        "from supervisor.testing import ScriptedAgent\n"
        "file = open('data', 'w')\n"
        "agent = ScriptedAgent('ann', ['said'])\n",
        encoding="utf-8",
    )
    words = [sys.executable, "-m", "supervisor", "run", "opens.py:agent", "a task"]
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *words]
    subprocess.run(closed, cwd=tmp_path, check=True, timeout=50)
    assert (tmp_path / "data").read_text(encoding="utf-8") == ""
