"""Chat at a terminal that cannot move the cursor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from supervisor._cli.chat.terminal import plain
from supervisor._cli.chat.terminal.plain import PlainInterface
from supervisor._cli.chat.terminal.user_interface import PROMPT, QUEUE, Keys
from tests.cli.terminal import Terminal

# A terminal is read and written where that does not wait, which the guard cannot know.
pytestmark = pytest.mark.blocks


class Person:
    """Types lines, and notes what has come of them.

    Args:
        ui: Where they are read.
        terminal: Where they are typed.
    """

    def __init__(self, ui: PlainInterface, terminal: Terminal) -> None:
        self.lines = asyncio.Queue[str]()
        self.has_ended = asyncio.Event()
        self.ui = ui
        self.terminal = terminal
        keys = Keys(on_line=self.lines.put_nowait, on_escape=_never, on_end=self.has_ended.set)
        self.running = asyncio.create_task(ui.run(keys))


def _never() -> None:
    raise AssertionError("Esc is a character like others")


@asynccontextmanager
async def typing(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Person]:
    """Have stdin be a pseudo-terminal at which somebody types."""
    with Terminal() as terminal:
        assert terminal.theirs is not None
        monkeypatch.setattr(plain, "_STDIN", terminal.theirs)
        person = Person(PlainInterface(), terminal)
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            yield person
            person.ui.close()
            await person.running


async def test_lines_are_read_and_hints_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hint is written once, and what does not belong to the answer as it comes."""
    async with typing(monkeypatch) as person:
        person.terminal.press("Hello\n")
        assert await person.lines.get() == "Hello"
        for _ in range(2):
            person.ui.show(prompt="", status="ann", hint="Ctrl-D leaves")
        person.ui.print_aside("aside\n")
        assert not person.ui.clear_line()
    assert capsys.readouterr().out == "Ctrl-D leaves\naside\n"


async def test_the_prompt_is_written_where_it_does_not_stand_yet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, and once more below other text; none where lines would be queued."""
    monkeypatch.setattr(plain, "_SETTLED", 0.0)
    ui = PlainInterface()

    async def show(prompt: str) -> str:
        ui.show(prompt=prompt, status="", hint="")
        async with asyncio.timeout(10):
            while ui._writing is not None:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)
        return capsys.readouterr().out

    assert [await show(prompt) for prompt in (QUEUE, PROMPT, PROMPT)] == ["", PROMPT, ""]
    ui.print("text\n")
    assert await show(PROMPT) == f"\ntext\n{PROMPT}"


async def test_half_a_line_is_dropped_by_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read of a line by Ctrl-D within it is gone, too."""
    async with typing(monkeypatch) as person:
        person.terminal.press("half\x04")
        while not person.ui.clear_line():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        person.terminal.press("whole\n")
        assert await person.lines.get() == "whole"


async def test_a_terminal_that_cannot_be_read_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the read ends the chat, as Ctrl-D does."""

    def gone(fd: int, count: int) -> bytes:
        raise OSError(5, f"Input/output error of {fd} at {count}")

    async with typing(monkeypatch) as person:
        monkeypatch.setattr(os, "read", gone)
        person.terminal.press("x\n")
        await person.has_ended.wait()
        monkeypatch.undo()
