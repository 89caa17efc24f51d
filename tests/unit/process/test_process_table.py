"""The process table: whose it is, and what counts as a child."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from supervisor._process.process_table import has_children
from tests.process.commands import NEEDS_NAMESPACE
from tests.process.namespaces import UNSHARE
from tests.unit.process.shells import Start

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and groups of POSIX"),
]

ROOT = Path(__file__).parents[3]


@NEEDS_NAMESPACE
def test_the_proc_of_another_namespace_is_not_used() -> None:
    """With the /proc of a PID namespace around ours, the table is empty."""
    script = """
    import json, subprocess
    from supervisor._process.descendants import Descendants
    from supervisor._process.children import ChildProcesses
    from supervisor._process.process_table import read
    children = ChildProcesses()
    child = subprocess.Popen(["sleep", "300"])
    found = [process.pid for process in children.scan()]
    child.kill(), child.wait()
    print(json.dumps([found, Descendants(2).update(read())]))
    """
    theirs = 'sh -c "sleep 300 & sleep 300 & wait" & sleep 0.5'  # pid 2, outside
    inner = 'unshare --pid --fork sh -c \'"$0" -P -c "$1" & wait $!\' "$0" "$1"'  # inside
    outer = [*UNSHARE, "--kill-child", "sh", "-c", f"{theirs}; {inner}"]
    done = subprocess.run(
        [*outer, sys.executable, textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == "[[], []]\n", done.stderr


def test_a_zombie_counts_as_a_child_and_is_not_reaped(start: Start) -> None:
    """`has_children` counts a zombie and does not reap it."""
    child = start("echo ready")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert has_children()
    assert child.wait() == 0
