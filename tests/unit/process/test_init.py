"""The parent of a command: what it does with each signal and each change of its child.

The kernel is a fake here, which plays what is rare; `tests/process/test_exec.py` has the real one.
"""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

if sys.platform != "win32":
    from supervisor._process import init
    from supervisor._process.init import Init

COMMAND = 1000  # its pid, and its group
ENDED = 7 << 8  # wait statuses
STOPPED = signal.SIGTSTP << 8 | 0x7F
TERM, CONT, KILL, CHLD = signal.SIGTERM, signal.SIGCONT, signal.SIGKILL, signal.SIGCHLD
INT = signal.SIGINT

Event = Callable[[], int | None]


class Kernel:
    """What the parent hears, in order, and what it sends."""

    def __init__(self) -> None:
        self.events: Iterator[Event] = iter(())
        self.statuses: list[int] = []
        self.sent: list[tuple[int, int]] = []  # the pid, or minus the group, and the signal
        self.has_group = True
        self.keys: set[int] = set()  # the signals that a key of the terminal sends

    def play(self, *events: Event) -> int:
        """Have a command live through these; return its wait status."""
        self.events = iter(events)
        made = Init(lambda number, at: at + 1.0)
        made._pid = COMMAND
        return made.wait()

    def status(self, status: int, *, has_group: bool = True) -> Event:
        """Have the child change to a wait status."""

        def change() -> int:
            self.statuses.append(status)
            self.has_group = has_group
            return CHLD

        return change

    def group_ends(self) -> int:
        """Have the last of the group end."""
        self.has_group = False
        return CHLD

    def next_signal(self, _numbers: object, _deadline: float) -> tuple[int | None, bool]:
        """Stand for `_next_signal`."""
        number = next(self.events)()
        return number, number in self.keys

    def wait_for_any(self) -> tuple[int, int] | None:
        """Stand for `_wait_for_any`."""
        return (COMMAND, self.statuses.pop(0)) if self.statuses else None

    def kill(self, pid: int, number: int) -> None:
        """Stand for `os.kill`."""
        self.sent.append((pid, number))

    def killpg(self, group: int, number: int) -> None:
        """Stand for `os.killpg`."""
        if not self.has_group:
            raise ProcessLookupError
        if number:
            self.sent.append((-group, number))


def returning(value: object) -> Callable[..., object]:
    """Return a function that takes anything, and returns this."""
    return lambda *_, **__: value


def hears(number: int | None) -> Event:
    """Return an event: a signal has arrived; None: the deadline has."""
    return lambda: number


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Give a kernel, in place of the real one."""
    made = Kernel()
    monkeypatch.setattr(signal, "signal", returning(signal.SIG_DFL))
    monkeypatch.setattr(signal, "pthread_sigmask", returning(set[int]()))
    monkeypatch.setattr(init, "_next_signal", made.next_signal)
    monkeypatch.setattr(init, "_wait_for_any", made.wait_for_any)
    monkeypatch.setattr(init, "has_children", lambda: True)
    monkeypatch.setattr(init, "adopt_orphans", lambda: True)
    monkeypatch.setattr(os, "killpg", made.killpg)
    monkeypatch.setattr(os, "kill", made.kill)
    return made


@pytest.mark.parametrize("name", ["SIGTTIN", "SIGTTOU"])
def test_what_a_terminal_tells_the_background_is_not_passed_on(kernel: Kernel, name: str) -> None:
    """The terminal sends those to us because we are in the background; the command is not."""
    assert kernel.play(hears(signal.Signals[name]), kernel.status(ENDED)) == ENDED
    assert kernel.sent == []


def test_a_command_that_stops_while_it_is_to_end_goes_on(kernel: Kernel) -> None:
    """A stopped process acts on no signal that asks it to end."""
    found = kernel.play(hears(TERM), kernel.status(STOPPED), kernel.status(ENDED, has_group=False))
    assert found == ENDED
    assert kernel.sent == [(COMMAND, TERM), (-COMMAND, CONT)]


def test_what_a_command_leaves_is_asked_once_and_killed_at_the_deadline(kernel: Kernel) -> None:
    """The others of its group have the rest of the time; the command itself is gone."""
    found = kernel.play(hears(TERM), kernel.status(ENDED), hears(CHLD), hears(None))
    assert found == ENDED
    group = [(-COMMAND, number) for number in (TERM, CONT, KILL)]
    assert kernel.sent == [(COMMAND, TERM), *group]


def test_a_key_s_signal_goes_to_the_whole_group(kernel: Kernel) -> None:
    """A terminal sends it to each of a group, and gives nobody a deadline."""
    kernel.keys = {INT}
    assert kernel.play(hears(INT), kernel.status(ENDED)) == ENDED
    assert kernel.sent == [(-COMMAND, INT)]


def test_what_a_command_leaves_gets_each_further_signal(kernel: Kernel) -> None:
    """The command itself is gone, and its pid may be another process's."""
    kernel.play(hears(TERM), kernel.status(ENDED), hears(INT), kernel.group_ends)
    group = [(-COMMAND, number) for number in (TERM, CONT, INT)]
    assert kernel.sent == [(COMMAND, TERM), *group]


def test_a_job_that_was_stopped_in_the_background_goes_on_there(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command gets the terminal back only where it had it as it was stopped."""
    handed_over: list[int] = []

    def hand_over(group: int, *, in_pipeline: bool) -> bool:
        handed_over.append(group)
        return in_pipeline

    made = Init(lambda number, at: math.inf)
    made._pid = COMMAND
    monkeypatch.setattr(made._foreground, "_terminal", 0)
    monkeypatch.setattr(made._foreground, "is_held_by", returning(False))
    monkeypatch.setattr(made._foreground, "hand_over", hand_over)
    monkeypatch.setattr(os, "getsid", returning(1))
    made._stop_with_it(signal.SIGTSTP)
    assert kernel.sent == [(0, signal.SIGTSTP), (-COMMAND, CONT)]
    assert handed_over == []


def test_a_handler_that_c_code_has_set_is_not_set_again(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a program that embeds Python, that of SIGCHLD may have no name in Python."""
    was_set: list[int] = []

    def set_handler(number: int, handler: int) -> None:
        was_set.append(handler)

    monkeypatch.setattr(signal, "signal", set_handler)
    monkeypatch.setattr(os, "fork", returning(0))
    monkeypatch.setattr(os, "setpgid", returning(None))
    made = Init(lambda number, at: math.inf)
    monkeypatch.setattr(made._foreground, "hand_over", returning(False))
    assert made.fork()
    assert was_set == [signal.SIG_DFL]


def test_a_process_that_has_ended_is_no_guard() -> None:
    """One that ends while the guards are looked for is none."""
    assert not init._is_guard("0")
