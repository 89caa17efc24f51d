"""Stopping and killing all descendants at once."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from supervisor._process import kill_tree, process_table
from supervisor._process.descendants import Descendants
from supervisor._process.process_table import Row
from tests.unit.process.shells import OBEYS, REFUSES, Start

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
]


def test_all_but_those_spared_are_stopped_and_killed(start: Start) -> None:
    """All descendants are stopped and then killed, except those that are spared."""
    parent = start(f"({REFUSES}) & echo ready; read never", lines=2)
    spared = start(OBEYS)
    rows = [_row(parent.pid), _row(spared.pid)]
    found = kill_tree.stop_all(Descendants(None, known=rows), lambda row: row.pid == spared.pid)
    assert len(found) == 2
    for row in found:
        while psutil.Process(row.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.001)
    kill_tree.kill(found)
    kill_tree.wait(found)
    assert [process_table.is_there(row) for row in found] == [False, False]
    assert spared.poll() is None


def test_the_resource_tracker_is_known() -> None:
    """Multiprocessing's resource tracker is recognised by its command line."""
    code = "import time  # multiprocessing.resource_tracker\nprint(flush=True); time.sleep(300)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as tracker:
        try:
            assert tracker.stdout is not None
            tracker.stdout.readline()  # the kernel shows no command line just after exec
            assert kill_tree.is_tracker(_row(tracker.pid))
        finally:
            tracker.kill()


def _row(pid: int) -> Row:
    row = process_table.row_of(pid)
    assert row is not None
    return row
