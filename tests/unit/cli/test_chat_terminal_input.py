"""The terminal's mode during a chat, and how keys are read from it."""

from __future__ import annotations

import contextlib
import errno
import os
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest
from prompt_toolkit.keys import Keys

from supervisor._cli.chat.terminal.terminal_input import SignalInput

LFLAG = 3
SIGNALS_ON = termios.ISIG | termios.NOFLSH


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """Give both ends of a pseudo-terminal: the one that types, and the program's."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as stdin:
        yield ours, stdin
    with contextlib.suppress(OSError):
        os.close(ours)


def lflags(stdin: TextIO) -> int:
    """Return the terminal's local modes."""
    return int(termios.tcgetattr(stdin)[LFLAG])


def test_signals_stay_on(terminal: tuple[int, TextIO]) -> None:
    """Lines and echo are off, signals are on and discard nothing; afterwards all is as found."""
    _, stdin = terminal
    before = termios.tcgetattr(stdin)
    read = SignalInput(stdin)
    with read.raw_mode():
        assert lflags(stdin) & (termios.ICANON | termios.ECHO | SIGNALS_ON) == SIGNALS_ON
        with read.cooked_mode():
            assert not lflags(stdin) & termios.ECHO
    assert termios.tcgetattr(stdin) == before


def test_a_sequence_that_comes_late_is_no_escape(terminal: tuple[int, TextIO]) -> None:
    """An arrow key of which the loop has seen only the beginning is an arrow key."""
    ours, stdin = terminal
    read = SignalInput(stdin)
    with read.raw_mode():
        os.write(ours, b"\x1b")
        assert read.read_keys() == []
        os.write(ours, b"[A")
        assert [press.key for press in read.flush_keys()] == [Keys.Up]


def test_an_escape_alone_is_one_after_a_pause(terminal: tuple[int, TextIO]) -> None:
    """Esc that nothing follows is Esc."""
    ours, stdin = terminal
    read = SignalInput(stdin)
    with read.raw_mode():
        os.write(ours, b"\x1b")
        assert read.read_keys() == []
        assert [press.key for press in read.flush_keys()] == [Keys.Escape]


def test_all_that_was_typed_is_read(terminal: tuple[int, TextIO]) -> None:
    """More than one buffer is read at once, and nothing is waited for."""
    ours, stdin = terminal
    read = SignalInput(stdin)
    with read.raw_mode():
        os.write(ours, b"a" * 3000)
        assert len(read.read_all_keys()) == 3000
        assert read.read_all_keys() == []


def test_a_terminal_that_has_gone_is_closed(terminal: tuple[int, TextIO]) -> None:
    """The read of a terminal that was closed is not tried again for ever."""
    ours, stdin = terminal
    read = SignalInput(stdin)
    os.close(ours)
    assert read.read_all_keys() == []
    assert read.closed


@pytest.mark.parametrize(
    ("error", "is_closed"), [(BlockingIOError(), False), (OSError(errno.EIO, "gone"), True)]
)
def test_a_read_that_fails(
    terminal: tuple[int, TextIO],
    error: OSError,
    is_closed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What somebody else has read first is waited for again; any other error is the end."""
    ours, stdin = terminal
    read = SignalInput(stdin)

    def fail(fd: int, count: int) -> bytes:
        raise error

    with read.raw_mode():
        assert read.read_keys() == []
        os.write(ours, b"a")
        with monkeypatch.context() as broken:
            broken.setattr(os, "read", fail)
            assert read.read_keys() == []
        assert read.closed is is_closed


def test_what_has_no_mode_has_none_to_give_back() -> None:
    """A terminal that has gone before it was set is not announced to who ends the process."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin:
        mode = SignalInput(stdin).mode
        mode.announce(b"last words")
        assert mode.attrs_before is None
    os.close(writer)
