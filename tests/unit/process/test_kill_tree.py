"""Stopping and killing all descendants at once."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

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


def test_what_multiplies_without_end_does_not_hold_it() -> None:
    """A fork bomb of somebody else's is given up after some rounds."""

    class Multiplying:
        """A process whose descendants are others at each look."""

        looks = 0

        def update(self, table: process_table.Table) -> list[process_table.Row]:
            self.looks += 1
            pid = 2**22 + self.looks  # no process has such a pid
            return [process_table.Row(pid, 1, pid, pid, 0.0, is_ended=False)]

    found: Any = Multiplying()
    stopped = kill_tree.stop_all(found, lambda row: row.pid % 2 == 0)
    assert 1 < len(stopped) < found.looks <= 100
