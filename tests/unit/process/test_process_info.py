"""What is said of a process."""

from __future__ import annotations

import sys
import time

import psutil
import pytest

from supervisor._process.children import ChildProcesses
from supervisor._process.process_info import ProcessInfo
from tests.unit.process.shells import Start

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and groups of POSIX"),
]


def test_a_process_is_shown_by_its_command_line() -> None:
    """A process is shown by its pid and its command line, or by its name without one."""
    assert str(ProcessInfo(7, "sleep", "sleep 300")) == "7 sleep 300"
    assert str(ProcessInfo(7, "sleep", "")) == "7 sleep"


def test_a_long_command_line_is_cut(start: Start) -> None:
    """A command line of more than a hundred characters is cut."""
    children = ChildProcesses()
    shell = start(f"trap '' TERM; echo ready; exec sleep 300 {'0 ' * 500}")
    _until_it_is(shell.pid, "sleep")
    (killed,) = children.kill()
    assert len(killed.command) == 100
    assert killed.command.startswith("sleep 300 0 0")
    assert killed.command.endswith("…")


def _until_it_is(pid: int, name: str) -> None:
    """Wait until a process has become another program: `exec` comes after the word "ready"."""
    while psutil.Process(pid).name() != name:
        time.sleep(0.001)
