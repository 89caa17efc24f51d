"""What a stop does with the processes of the program, by the setting `children`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from supervisor._core.settings import Children
from supervisor._process.adoption import adopts_orphans
from supervisor._process.cleanup import ChildCleanup
from supervisor._process.process_info import ProcessInfo
from tests.unit.process.shells import OBEYS, REFUSES, Start

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


def test_one_more_ctrl_c_kills_those_that_are_waited_for(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler that was found raises: then nothing is waited for any more."""
    cleanup = Cleanup("end")
    cleanup.open()
    child = start(REFUSES)
    assert cleanup.children is not None

    def interrupted(seconds: float) -> list[ProcessInfo]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(cleanup.children, "finish_ending", interrupted)
        cleanup.sweep(None)
    assert child.wait() == -signal.SIGKILL
    cleanup.close()


def test_orphans_are_adopted_while_the_block_is_open() -> None:
    """With `children="end"` the process is a subreaper as long as it may have to end daemons."""
    before = adopts_orphans()
    cleanup = Cleanup("end")
    cleanup.open()
    assert adopts_orphans()
    cleanup.close()
    assert adopts_orphans() is before


@pytest.mark.parametrize("has_multiprocessing", [False, True])
def test_behind_handlers_that_come_later_only_multiprocessings_is_run(
    has_multiprocessing: bool,
) -> None:
    """The others would be run again, by the interpreter."""
    script = f"""
import atexit, sys
{"import multiprocessing.util" if has_multiprocessing else ""}
from supervisor._process import cleanup
ends = []
if {has_multiprocessing}: multiprocessing.util._exit_function = lambda: ends.append("workers")
atexit.register(ends.append, "a handler")
cleanup._run_earlier_handlers(is_last=False)
print(ends)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == f"{['workers'] if has_multiprocessing else []}\n"


def test_a_thread_that_starts_a_process_at_the_end_waits() -> None:
    """From the last sweep on only the main thread starts processes."""
    script = """
import subprocess, threading
from supervisor._process import cleanup
cleanup._block_starts()
begun = threading.Event()
def start():
    begun.set()
    subprocess.run(["echo", "from a thread"])
thread = threading.Thread(target=start, daemon=True)
thread.start()
begun.wait()
thread.join(0.2)
assert thread.is_alive()
subprocess.run(["echo", "from the main thread"])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "from the main thread\n"
