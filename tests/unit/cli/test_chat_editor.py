"""The editor of a chat, in this process, at a pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor import Supervisor
from supervisor._cli.chat.terminal.editor import EditorInterface
from supervisor._cli.chat.terminal.room import room_for_reports
from supervisor._cli.chat.terminal.user_interface import Keys
from supervisor._reports.log import reporter
from tests.cli.terminal import Terminal

# A terminal is read and written where that does not wait, which the guard cannot know.
pytestmark = pytest.mark.blocks


def wakeup_fd() -> int:
    """Return the wakeup fd, and leave it."""
    found = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(found, warn_on_full_buffer=False)
    return found


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """Have stdin and stdout be a pseudo-terminal."""
    with Terminal() as made:
        assert made.theirs is not None
        monkeypatch.setenv("TERM", "xterm-256color")
        with os.fdopen(os.dup(made.theirs)) as stdin, os.fdopen(os.dup(made.theirs), "w") as stdout:
            monkeypatch.setattr(sys, "stdin", stdin)
            monkeypatch.setattr(sys, "stdout", stdout)
            yield made


@pytest.fixture
def ui(terminal: Terminal, tmp_path: Path) -> EditorInterface:
    """Make an editor, as chat does: before the loop runs."""
    return EditorInterface(tmp_path / "history")


class Person:
    """Presses keys, and notes what they have done."""

    def __init__(self, terminal: Terminal, ui: EditorInterface) -> None:
        self.lines: list[str] = []
        self.escapes = 0
        self.has_ended = False
        self._changed = asyncio.Event()
        self._terminal = terminal
        self._ui = ui
        keys = Keys(on_line=self._line, on_escape=self._escape, on_end=self._end)
        self.running = asyncio.create_task(ui.run(keys))

    def _line(self, text: str) -> None:
        self.lines.append(text)
        self._changed.set()

    def _escape(self) -> None:
        self.escapes += 1
        self._changed.set()

    def _end(self) -> None:
        self.has_ended = True
        self._changed.set()

    @classmethod
    async def at(cls, terminal: Terminal, ui: EditorInterface) -> Person:
        """Return somebody who sees the prompt: before, the terminal changes what is typed."""
        person = cls(terminal, ui)
        ui.show(prompt="> ", status="", hint="")
        async with asyncio.timeout(10):
            while terminal.prompt != ">":
                terminal.read_all()
                await asyncio.sleep(0)
        return person

    async def press(self, keys: str) -> None:
        """Press keys, and wait until they have done something."""
        self._changed.clear()
        self._terminal.press(keys)
        async with asyncio.timeout(10):
            await self._changed.wait()

    async def leave(self) -> None:
        """Close the editor."""
        self._ui.close()
        async with asyncio.timeout(10):
            await self.running


async def test_the_wakeup_fd_stays_the_supervisors(terminal: Terminal, ui: EditorInterface) -> None:
    """Neither while the editor runs, nor in the step in which it ends, is a signal unheard."""
    async with Supervisor(signals={"SIGUSR1": "CANCEL"}):
        ours = wakeup_fd()
        person = await Person.at(terminal, ui)
        ends: list[int] = []
        person.running.add_done_callback(lambda _: ends.append(wakeup_fd()))
        await person.press("Hello\r")
        assert wakeup_fd() == ours
        await person.leave()
        assert ends == [ours]


async def test_lines_escapes_and_the_end_are_told_apart(
    terminal: Terminal, ui: EditorInterface
) -> None:
    """Enter gives the line, Alt-Enter breaks it, Esc is one alone, Ctrl-D ends an empty line."""
    person = await Person.at(terminal, ui)
    await person.press("one\x1b\rtwo\r")
    await person.press("\x1b")
    await person.press("\x04")
    await person.leave()
    assert (person.lines, person.escapes) == (["one\ntwo"], 1)


async def test_an_arrow_key_finds_the_history_at_once(
    terminal: Terminal, ui: EditorInterface
) -> None:
    """Keys that are read together with Enter find the line that was just entered."""
    person = await Person.at(terminal, ui)
    await person.press("one\r")
    await person.press("two\r\x1b[A\r")
    ui.remember("three")
    await person.press("\x1b[A\r")
    await person.leave()
    assert person.lines == ["one", "two", "two", "three"]


async def test_typed_keys_are_taken_in_before_an_interrupt(
    terminal: Terminal, ui: EditorInterface
) -> None:
    """What is still unread as Ctrl-C is heard was typed before it, and is cleared with the line."""
    person = await Person.at(terminal, ui)
    await person.press("one\r")
    terminal.press("half a")
    ui.read_typed()
    assert ui.clear_line()
    assert not ui.clear_line()
    await person.press("two\r")
    await person.leave()
    assert person.lines == ["one", "two"]


async def test_reports_have_room_above_the_line(terminal: Terminal, ui: EditorInterface) -> None:
    """A thread writes while the editor is away; where the loop is blocked, over the editor."""
    with room_for_reports(ui._app):
        assert reporter.step_aside() == "", "there is no editor yet"
    person = await Person.at(terminal, ui)
    assert await asyncio.to_thread(reporter.step_aside) == ""
    assert reporter.step_aside() == "\r\x1b[J", "the loop itself cannot be waited for"
    ui.print_aside("a report\n")
    await person.press("one\r")
    await person.leave()
    terminal.read_all()
    assert "a report" in terminal.lines


async def test_nothing_is_read_or_drawn_where_it_is_not_shown(
    terminal: Terminal, ui: EditorInterface
) -> None:
    """Keys that come before it belong to the terminal; a late SIGCONT draws nothing."""
    ui.read_typed()
    assert not ui.clear_line()
    person = await Person.at(terminal, ui)
    ui.close()
    signal.raise_signal(signal.SIGCONT)
    await person.leave()
