"""What a stop does with the processes of the program, by the setting `children`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from supervisor._core.settings import Children
from supervisor._process.cleanup import ChildCleanup
from supervisor._process.process_info import ProcessInfo
from tests.unit.process.shells import OBEYS, Start

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
]


class Cleanup(ChildCleanup):
    """A clean-up that records the processes it has killed."""

    def __init__(self, policy: Children) -> None:
        self.killed: list[ProcessInfo] = []
        super().__init__(policy, self._record, lambda: None)

    def _record(self, killed: Sequence[ProcessInfo]) -> None:
        self.killed += killed


def test_a_sweep_ends_the_programs_processes(start: Start) -> None:
    """With "own" a sweep ends what was started since, and leaves what was there before."""
    before = start(OBEYS)
    cleanup = Cleanup("own")
    cleanup.open()
    since = start(OBEYS)
    cleanup.sweep(None)
    assert (before.poll(), since.wait()) == (None, -15)
    assert cleanup.killed == []


def test_with_leave_a_sweep_ends_nothing(start: Start) -> None:
    """With "leave" a sweep ends nothing, and `kill` still kills all."""
    cleanup = Cleanup("leave")
    cleanup.open()
    child = start(OBEYS)
    cleanup.sweep(None)
    assert child.poll() is None
    assert [one.pid for one in cleanup.kill()] == [child.pid]


def test_without_open_there_is_nothing_to_clean_up() -> None:
    """Where the process is not the supervisor's to end, nothing is found and nothing is ended."""
    cleanup = Cleanup("own")
    cleanup.scan()
    cleanup.end_in_background(1.0)
    cleanup.sweep(None)
    assert cleanup.kill() == []
    assert not cleanup.is_ending
