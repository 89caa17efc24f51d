"""A terminal that was changed, and is put back only where it is still as we have set it."""

from __future__ import annotations

import os
import sys
import termios
import time
import tty
from collections.abc import Iterator
from typing import Any

import pytest

from supervisor._process import end_record, terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")


class Terminal:
    """A pseudo-terminal, as a shell has given it to us."""

    def __init__(self) -> None:
        self.screen, self.fd = os.openpty()
        self.found = self.modes

    @property
    def modes(self) -> list[Any]:
        """Its modes now."""
        return termios.tcgetattr(self.fd)

    def change(self) -> None:
        """Set modes of ours, and say so."""
        tty.setraw(self.fd)
        terminal.changed(self.fd, self.found)

    def close(self) -> None:
        """Close it."""
        os.close(self.screen)
        os.close(self.fd)


@pytest.fixture
def this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process begin without a record, whose memory is then its own."""
    monkeypatch.setattr(end_record, "_this", end_record._ThisProcess())
    monkeypatch.setattr(end_record, "_make", lambda: end_record.EndRecord(_memory(), None))
    monkeypatch.setattr(terminal._AtExit, "is_registered", True)


def _memory() -> bytearray:
    return bytearray(end_record.TRACKED_AT)


@pytest.fixture
def opened(this_process: None) -> Iterator[Terminal]:
    """Give a terminal."""
    made = Terminal()
    yield made
    made.close()


def _cell() -> bytes:
    return end_record.record().get(end_record.TERMINAL)


def test_it_is_given_back_once(opened: Terminal) -> None:
    """The modes that were found are set again, and after that nothing is left to be done."""
    opened.change()
    assert opened.modes != opened.found
    terminal.give_back()
    assert opened.modes == opened.found
    opened_again = opened.modes
    tty.setraw(opened.fd)
    terminal.give_back()
    assert opened.modes != opened_again


def test_modes_of_another_program_are_left(opened: Terminal) -> None:
    """Where somebody has set other modes since, they stay."""
    opened.change()
    theirs = opened.modes
    theirs[3] |= termios.ECHO
    termios.tcsetattr(opened.fd, termios.TCSANOW, theirs)
    terminal.give_back()
    assert opened.modes == theirs


def test_a_shell_that_takes_it_back_meanwhile_is_not_disturbed(
    opened: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modes that a shell sets while we wait for it are not replaced."""
    opened.change()
    theirs = opened.modes
    theirs[3] |= termios.ECHO

    def shell_is_quicker(seconds: float) -> None:
        termios.tcsetattr(opened.fd, termios.TCSANOW, theirs)

    monkeypatch.setattr(time, "sleep", shell_is_quicker)
    terminal.restore(_cell(), waits_for_shell=True)
    assert opened.modes == theirs


@pytest.mark.usefixtures("this_process")
def test_one_that_is_gone_is_no_error() -> None:
    """Of a terminal that was closed nothing is put back."""
    made = Terminal()
    made.change()
    encoded = _cell()
    made.close()
    terminal.restore(encoded)
    assert _cell() == encoded


def test_another_terminal_of_that_name_is_left(opened: Terminal) -> None:
    """A device with another number than the one that was changed is left alone."""
    opened.change()
    raw = opened.modes
    path, device, *rest = _cell().decode().split("\n")
    terminal.restore("\n".join([path, str(int(device) + 1), *rest]).encode())
    assert opened.modes == raw


def test_one_that_hangs_up_meanwhile_is_no_error(
    opened: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that is gone as its modes are set is left."""
    opened.change()

    def hung_up(fd: int, when: int, modes: list[Any]) -> None:
        raise termios.error(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(termios, "tcsetattr", hung_up)
        terminal.give_back()
    assert _cell() == b""


@pytest.mark.usefixtures("this_process")
def test_without_a_change_there_is_nothing_to_put_back() -> None:
    """Where no terminal was changed no record is made; a file that is no terminal changes none."""
    terminal.restored()
    terminal.give_back()
    reader, writer = os.pipe()
    terminal.changed(reader, [])
    os.close(reader)
    os.close(writer)
    assert not end_record.has_record()


def test_one_that_was_restored_is_left(opened: Terminal) -> None:
    """Once it was said that the terminal is as it was found, it is not touched."""
    opened.change()
    terminal.restored()
    raw = opened.modes
    terminal.give_back()
    assert opened.modes == raw


def test_without_a_parent_that_can_be_asked_it_is_no_job(
    opened: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parent that has ended is taken for no shell."""

    def gone(pid: int) -> int:
        raise ProcessLookupError

    with monkeypatch.context() as patched:
        patched.setattr(os, "getsid", gone)
        opened.change()
    assert _cell().decode().split("\n")[-1] == ""
