"""The process table: whose it is, and what counts as a child."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import psutil
import pytest

from supervisor._process import process_table
from supervisor._process.process_table import Row, has_children
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


def test_without_proc_the_table_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc is not mounted nothing is known of any process."""

    def missing(path: str) -> str:
        raise FileNotFoundError(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "readlink", missing)
        assert process_table.read() == {}
        assert process_table.row_of(os.getpid()) is None


def test_a_pid_that_is_anothers_by_now_is_not_opened(start: Start) -> None:
    """A pidfd is opened for the process that was meant, and for no later one with its pid."""
    row = _row_of(start("echo ready; exec sleep 300").pid)
    fd = process_table.open_pidfd(row)
    assert fd is not None
    os.close(fd)
    row.start -= 1
    assert process_table.open_pidfd(row) is None


@pytest.mark.parametrize("lacks", ["pidfd_open", "pidfd_send_signal"])
def test_one_that_ends_meanwhile_gets_no_signal(
    start: Start, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    """A process that has ended by the time of its signal is no error, with and without pidfds."""
    child = start("echo ready; exec sleep 300")
    row = _row_of(child.pid)

    def refuse(*_: object) -> int:
        child.kill()
        child.wait()
        raise ProcessLookupError if lacks == "pidfd_send_signal" else OSError

    module = os if lacks == "pidfd_open" else signal
    monkeypatch.setattr(module, lacks, refuse)
    process_table.send(row, signal.SIGTERM)
    assert child.returncode == -signal.SIGKILL


def test_without_pidfds_a_signal_arrives(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an old kernel a process is signalled by its pid."""
    monkeypatch.delattr(os, "pidfd_open")
    child = start("echo ready; exec sleep 300")
    process_table.send(_row_of(child.pid), signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM


def test_psutil_gives_the_same_table(start: Start) -> None:
    """Where there is no /proc, psutil tells the same of a process."""
    child = start("echo ready; exec sleep 300")
    ours = _row_of(child.pid)
    theirs = process_table._read_by_psutil()[child.pid]
    assert repr(theirs) == repr(ours)
    assert process_table._command_by_psutil(child.pid) == process_table.command_of(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert repr(process_table._read_by_psutil()[child.pid]).endswith(" ended>")
    child.wait()
    assert process_table._command_by_psutil(child.pid) == []
    assert process_table._group_and_session(child.pid) == (0, 0)


def test_a_process_of_which_psutil_may_tell_nothing_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One without a start time could not be distinguished from a later one."""
    hidden = types.SimpleNamespace(pid=1, info={"ppid": 0, "create_time": None, "status": None})

    def processes(_facts: list[str]) -> list[types.SimpleNamespace]:
        return [hidden]

    monkeypatch.setattr(psutil, "process_iter", processes)
    assert process_table._read_by_psutil() == {}


def _row_of(pid: int) -> Row:
    row = process_table.row_of(pid)
    assert row is not None
    return row
