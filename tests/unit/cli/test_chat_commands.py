"""The commands of a conversation."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from supervisor._cli.chat.conversation import commands
from supervisor.testing._settled import said
from tests.unit.cli.conversations import chat
from tests.unit.cli.test_chat_conversation import pair
from tests.unit.testing.teams import agent, round_robin


@pytest.mark.parametrize(
    ("line", "is_command", "words"),
    [
        ("/undo", True, "/undo"),
        ("//undo", False, "/undo"),
        ("undo", False, "undo"),
        ("/undo\nand more", False, "/undo\nand more"),
        ("", False, ""),
    ],
)
def test_what_is_a_command(line: str, is_command: bool, words: str) -> None:
    """One slash begins a command, two begin text with one, and text of several lines is text."""
    assert commands.is_command(line) is is_command
    assert commands.words_of(line) == words
    assert commands.words_of(commands.as_typed(words)) == words


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/udno", "did you mean /undo?"),
        ("/frobnicate", "/help lists them"),
        ("/undo twice", "takes nothing"),
        ("/load", "/load FILE"),
    ],
)
async def test_a_command_that_is_none(line: str, says: str) -> None:
    """One line says what there is instead."""
    async with chat(pair) as talk:
        text = await talk.command(line)
        assert says in text
        assert "\n" not in text


async def test_help_lists_each_command() -> None:
    """`/help` has one line for each command."""
    async with chat(pair) as talk:
        text = await talk.command("/help")
        assert [name for name in commands.COMMANDS if f"/{name} " in text] == [*commands.COMMANDS]


async def test_saved_and_loaded(tmp_path: Path) -> None:
    """What `/save FILE` wrote, another chat loads; `/undo` takes the loading back."""
    file = tmp_path / "it.json"
    async with chat(pair) as talk:
        await talk.exchange("Begin")
        assert "Saved" in await talk.command(f"/save {file}")
        before = said(talk.team)
    async with chat(pair) as talk:
        assert "3 messages" in await talk.command(f"/load {file}")
        assert said(talk.team) == before
        await talk.command("/undo")
        assert not said(talk.team)


async def test_a_plain_state_can_be_loaded(tmp_path: Path) -> None:
    """What a program has written of its team's `save_state()` is taken as well."""
    file = tmp_path / "state.json"
    async with chat(pair) as talk:
        await talk.exchange("Begin")
        file.write_text(json.dumps(await talk.team.save_state()))
        before = said(talk.team)
    async with chat(pair) as talk:
        assert "goes on" in await talk.command(f"/load {file}")
        assert said(talk.team) == before


async def test_what_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    """A file of another team, or of none, is refused in one line, and the conversation stays."""
    other = tmp_path / "other.json"
    async with chat(lambda: round_robin(agent("eve"))) as talk:
        await talk.exchange("Begin")
        await talk.command(f"/save {other}")
        plain = tmp_path / "plain.json"
        plain.write_text(json.dumps(await talk.team.save_state()))
    async with chat(pair) as talk:
        await talk.exchange("Begin")
        before = said(talk.team)
        for file in (other, plain, tmp_path / "none.json", Path(__file__)):
            text = await talk.command(f"/load {file}")
            assert "\n" not in text
            assert said(talk.team) == before
        assert (await talk.exchange("More")).outcome == "finished"


async def test_save_overwrites_only_conversations(tmp_path: Path) -> None:
    """A file that is no conversation is not overwritten; one that is, is."""
    file = tmp_path / "mine.txt"
    file.write_text("mine")
    async with chat(pair) as talk:
        assert "give another" in await talk.command(f"/save {file}")
        assert file.read_text() == "mine"
        for _ in range(2):
            assert "Saved" in await talk.command(f"/save {tmp_path / 'it.json'}")
        assert "not written" in await talk.command(f"/save {tmp_path / 'no' / 'it.json'}")


async def test_state_says_where_it_stands() -> None:
    """`/state` has the members, the number of messages, and how much can be undone."""
    async with chat(pair) as talk:
        await talk.exchange("Begin")
        text = await talk.command("/state")
        assert "ann (AssistantAgent)" in text
        assert "3 messages; 1 to undo" in text
        assert "not kept" in text


async def test_commands_while_it_answers() -> None:
    """`/undo`, `/reset` and `/load` wait for a stop; `/state`, `/help` and `/stop` do not."""
    async with chat(lambda: pair(2)) as talk:
        asked: list[asyncio.Task[str]] = []

        def ask(_: object) -> None:
            talk.on = lambda _: None
            lines = ("/undo", "/reset", "/load it", "/state", "/help", "/stop")
            asked.extend(asyncio.ensure_future(talk.command(line)) for line in lines)

        talk.on = ask
        done = await talk.exchange("Begin")
        undo, reset, load, state, help_, stop = [await task for task in asked]
        assert undo == "It answers; /stop it before /undo."
        assert reset == "It answers; /stop it before /reset."
        assert load == "It answers; /stop it before /load."
        assert "session" in state
        assert "/undo" in help_
        assert stop == "Stopping."
        assert done.outcome == "stopped"


async def test_stop_without_an_answer() -> None:
    """`/stop` says so where nothing is answered."""
    async with chat(pair) as talk:
        assert await talk.command("/stop") == "Nothing is being answered."


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("~nobody-of-that-name/it", "home directory"),
        ("a\0b", "no text"),
        ("{fifo}", "regular file"),
    ],
)
async def test_a_file_name_that_is_none(tmp_path: Path, file: str, says: str) -> None:
    """One line says so, for `/load` and for `/save`, and nothing waits for a pipe's other end."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    async with chat(pair) as talk:
        assert says in await talk.command(f"/load {file.format(fifo=fifo)}")
        assert "is not written" in await talk.command(f"/save {file.format(fifo=fifo)}")
