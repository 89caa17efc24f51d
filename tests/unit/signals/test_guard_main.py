"""What the guard works out from unread signals and from what the process sends."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import Rung
from supervisor._process import process_table
from supervisor._process.after_kill import HeldFiles
from supervisor._process.descendants import Descendants
from supervisor._signals import guard_main
from supervisor._signals.guard_main import GIL_HELD_SECONDS, KillTime, UnreadBytes
from supervisor._signals.guard_state import RESERVE_SECONDS, GuardState
from supervisor._signals.wakeup_bytes import SELF_SENT

_ROOT = Path(__file__).parents[3]
ENTRIES = {signal.SIGTERM: Rung.DRAIN, signal.SIGINT: Rung.CANCEL}
BUDGETS = [3.0, 3.0, 2.0, 1.0, 0.0]  # of rungs of a second each


def _state(rung: int, deadline: float, **counted: float) -> GuardState:
    by_number = {int(signal.Signals[name]): at for name, at in counted.items()}
    return GuardState(rung, deadline, BUDGETS, ENTRIES, by_number)


def _held_since(at: float) -> KillTime:
    """Return the kill time of a process whose GIL is held since a SIGTERM came."""
    kill_time = KillTime()
    kill_time.update(_state(0, math.inf))
    kill_time.unread.update(bytes([signal.SIGTERM]), at)
    return kill_time


def test_a_held_process_has_the_ladders_seconds_from_the_arrival() -> None:
    """Once the GIL counts as held, the deadline counts from the arrival of the signal."""
    kill_time = _held_since(100.0)
    assert kill_time.at(100.0 + GIL_HELD_SECONDS / 2) == math.inf
    assert 103.0 < kill_time.at(100.0 + 2 * GIL_HELD_SECONDS) <= 103.0 + RESERVE_SECONDS


def test_a_process_that_reads_late_keeps_the_deadline_of_the_arrival() -> None:
    """A process that reads late and sends a later deadline is still killed by the earlier one."""
    kill_time = _held_since(100.0)
    kill_time.at(101.0)
    kill_time.unread.update(b"", 101.5)
    kill_time.update(_state(1, 104.5, SIGTERM=101.5))
    assert kill_time.at(101.5) == 103.0 + RESERVE_SECONDS


def test_a_process_that_reads_and_sends_nothing_keeps_it_too() -> None:
    """A process that reads and then loses the GIL again is killed by the same deadline."""
    kill_time = _held_since(100.0)
    kill_time.at(101.0)
    kill_time.unread.update(b"", 101.5)
    assert kill_time.at(101.5) == 103.0 + RESERVE_SECONDS


@pytest.mark.parametrize("rung", [Rung.RUNNING, Rung.EXIT])
def test_a_stop_that_is_over_voids_that_deadline(rung: Rung) -> None:
    """Where no stop is under way, or the process is ending itself, only its own deadline holds."""
    kill_time = _held_since(100.0)
    kill_time.at(101.0)
    kill_time.unread.update(b"", 101.5)
    kill_time.update(_state(rung, 110.0))
    assert kill_time.at(101.5) == 110.0 + RESERVE_SECONDS


def test_a_duplicate_of_a_counted_signal_is_not_counted() -> None:
    """A signal that follows a counted one too soon does not bring the deadline forward."""
    kill_time = KillTime()
    kill_time.update(_state(1, 103.0, SIGTERM=100.0))
    kill_time.unread.update(bytes([signal.SIGTERM]), 100.25)
    assert kill_time.at(101.0) > 103.0


def test_a_signal_that_the_process_sends_to_itself_is_not_counted() -> None:
    """A marked signal is not counted; the next one of the same number is."""
    unread = UnreadBytes()
    unread.update(bytes([SELF_SENT, signal.SIGINT, 0, signal.SIGINT]), 1.0)
    assert unread.signals == [(signal.SIGINT, 1.0)]


def test_each_byte_has_the_time_at_which_it_was_first_seen() -> None:
    """Bytes keep the time at which they were first seen until some are read."""
    unread = UnreadBytes()
    assert unread.update(b"a", 1.0)
    assert unread.update(b"ab", 2.0)
    assert not unread.update(b"ab", 3.0)
    assert unread.arrivals == [1.0, 2.0]
    assert unread.update(b"b", 4.0)
    assert unread.arrivals == [4.0]


@pytest.mark.parametrize("module", ["_signals.guard_main", "_process.final_sweep"])
def test_a_small_process_imports_next_to_nothing(module: str) -> None:
    """A process started with -I -S loads small modules of ours and next to nothing else."""
    code = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); import supervisor.{module}; "
    code += "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    assert set(_output(code).split()) == {"__main__", "supervisor"}
    heavy = "asyncio", "logging", "subprocess", "threading", "typing"
    code = code.partition("print")[0] + f"print([n for n in {heavy!r} if n in sys.modules])"
    assert _output(code) == "[]\n"


def _output(code: str) -> str:
    # In another order than the package's: of those, coverage.py measures each.
    words = [sys.executable, "-S", "-I", "-c", code]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


# -- what the kernel does not tell ----------------------------------------------------------------


class Guarded:
    """A child process, and a guard loop of this process on it.

    The loop takes fds 0 and 1 for its own, so it is given copies there.
    """

    def __init__(self) -> None:
        self.child = subprocess.Popen(["sleep", "300"])
        self.control, control = socket.socketpair()
        self.wakeup, wakeup = socket.socketpair()
        self.loop = guard_main._GuardLoop.__new__(guard_main._GuardLoop)
        self.loop._pid, self.loop._pidfd = self.child.pid, None
        self.loop._descendants = Descendants(self.child.pid)
        self.loop._began = 0.0
        self.loop._kill_time = KillTime()
        self.loop._is_reported = self.loop._is_received = True
        self.loop._control, self.loop._wakeup = control, wakeup
        self.loop._held = HeldFiles()

    def close(self) -> None:
        """End all of it."""
        self.child.kill()
        self.child.wait()
        for each in (self.control, self.wakeup, self.loop._control, self.loop._wakeup):
            each.close()


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    """Give a guarded child process."""
    made = Guarded()
    yield made
    made.close()


def test_without_a_pidfd_the_process_is_signalled_by_its_pid(guarded: Guarded) -> None:
    """On an old kernel the pid must do; one that has ended is no error."""
    guarded.loop._send(signal.SIGTERM)
    assert guarded.child.wait() == -signal.SIGTERM
    guarded.loop._send(signal.SIGTERM)


def test_without_a_pidfd_the_end_of_the_socket_ends_the_watch(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an old kernel the process counts as gone when it has closed its socket."""
    monkeypatch.setattr(guard_main, "_CONTROL_FD", guarded.loop._control.fileno())
    monkeypatch.setattr(guard_main, "_WAKEUP_FD", guarded.loop._wakeup.fileno())
    assert guarded.loop._wait(0.0)
    guarded.control.close()
    assert not guarded.loop._watch()


def test_a_process_that_a_debugger_traces_is_left_to_it(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the deadline the guard looks again once a second, and kills nothing."""
    waits: list[float | None] = []

    def wait(seconds: float | None) -> bool:
        waits.append(seconds)
        return len(waits) < 3

    monkeypatch.setattr(guarded.loop, "_wait", wait)
    monkeypatch.setattr(guard_main, "_is_traced", bool)  # of its pid
    guarded.loop._kill_time.update(_state(Rung.CANCEL, 0.0))
    assert not guarded.loop._watch()
    assert waits == [0.0, 1.0, 1.0]
    assert guarded.child.poll() is None


def test_a_table_that_cannot_be_read_changes_nothing(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With too many open files what is known of the descendants stays."""
    guarded.loop._scan(_state(1, 3.0))
    before = dict(guarded.loop._descendants.known)

    def refuse() -> process_table.Table:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(process_table, "read", refuse)
    guarded.loop._scan(_state(2, 3.0))
    assert guarded.loop._descendants.known == before


def test_a_process_that_sends_without_end_does_not_hold_the_guard(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent before the end is read up to a limit."""
    received: list[bytes] = []

    def receive(source: socket.socket) -> tuple[list[bytes], tuple[int, ...]]:
        received.append(_state(1, 3.0).encoded())
        return received[-1:], ()

    monkeypatch.setattr(guard_main, "receive_lines", receive)
    guarded.loop._receive_rest()
    assert len(received) == guard_main._MOST_RECEIVED


def test_an_old_kernel_gives_no_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `pidfd_open` the end of the socket has to do."""
    monkeypatch.delattr(os, "pidfd_open")
    assert guard_main._pidfd(os.getpid()) is None


def test_without_proc_nothing_is_known_and_nothing_written(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where /proc is another namespace's, its numbers are not taken for ours."""
    assert guard_main._status(os.getpid(), b"Pid:", 10) == os.getpid()
    assert guard_main._status(2**22 + 1, b"Pid:", 10) == 0  # no such process
    with monkeypatch.context() as patched:
        patched.setattr(process_table, "is_own", lambda: False)
        assert guard_main._status(os.getpid(), b"Pid:", 10) == 0
        guard_main._write_to_its_stderr(os.getpid(), "why")
    assert capfd.readouterr().err == ""
