"""A chat that goes on with the session of another one, however that has ended."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from supervisor._checkpoints.integrity import check
from supervisor._checkpoints.urls import open_store
from tests.cli.chats import PROMPT, RESUME, Chat, chat
from tests.cli.terminal import CTRL_C, CTRL_D, UP
from tests.process.harness import Server

pytestmark = pytest.mark.process


def _until_kept(
    it: Chat, tmp_path: Path, is_there: Callable[[Mapping[str, Any]], bool] = bool
) -> str:
    """Wait until the store says so of a session, and return the session's name."""
    path = tmp_path / "autogen-supervisor" / "runs.db"
    names: list[str] = []

    def found() -> bool:
        if not path.exists():
            return False
        with closing(open_store(f"sqlite:///{path}")) as store:
            store.setup()
            kept = {info.id: check(store.load(info.id)) for info in store.list()}
        names[:] = [name for name, it in kept.items() if it is not None and is_there(it.rest)]
        return bool(names)

    it.wait_until(found)
    return names[0]


def test_killed_in_the_second_turn(server: Server, tmp_path: Path) -> None:
    """After SIGKILL `-c` has the first turn, and an empty line goes on with the second."""
    with chat(server, tmp_path, "echo_and_waiter") as it:
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.child.until("busy")
        name = _until_kept(it, tmp_path, lambda found: found["messages"] == 2)
        it.child.signal(signal.SIGKILL)
        assert it.has_ended() == -signal.SIGKILL
    with chat(server, tmp_path, "echo_and_waiter", "-c", columns=200) as it:
        it.wait_for(f"Going on with {name}: 2 messages; the last answer was cut off")
        it.wait_for_prompt(PROMPT)
        it.say("")
        it.child.until("busy")
        it.press(CTRL_C)
        it.wait_for("Stopped. An empty line goes on.")
        it.wait_for_prompt(PROMPT)
        it.say("/undo")
        it.wait_for("The last exchange is taken back; 0 messages are left.")
        it.press(CTRL_D)
        assert it.has_ended() == 0
        assert f"{RESUME} tests.cli.teams:echo_and_waiter -r {name}" in it.text


def test_killed_before_anybody_has_answered(server: Server, tmp_path: Path) -> None:
    """After SIGKILL the words are behind the arrow key, and the agent has not heard them."""
    with chat(server, tmp_path, "waiter") as it:
        it.wait_for_prompt(PROMPT)
        it.say("Hello")
        it.child.until("busy")
        name = _until_kept(it, tmp_path, lambda found: found["unanswered"] == "Hello")
        it.child.signal(signal.SIGKILL)
        assert it.has_ended() == -signal.SIGKILL
    with chat(server, tmp_path, "waiter", "-r", name) as it:
        it.wait_for("the last words were not answered")
        it.wait_for_prompt(PROMPT)
        it.press(UP)
        it.wait_for_prompt("> Hello")
        it.press(CTRL_C)
        it.wait_for_prompt(PROMPT)
        it.say("now")
        it.wait_for("1 heard")
        it.wait_for_prompt(PROMPT)
        it.press(CTRL_D)
        assert it.has_ended() == 0


def test_two_chats_on_one_session(server: Server, tmp_path: Path) -> None:
    """The second one ends with one line, and the first goes on."""
    with chat(server, tmp_path, "echo") as first:
        first.wait_for_prompt(PROMPT)
        name = _until_kept(first, tmp_path)
        with chat(server, tmp_path, "echo", "-r", name, columns=200) as second:
            assert second.has_ended() == 2
            assert f"the session '{name}' is open in another chat" in second.text
            assert RESUME not in second.text
            assert "Traceback" not in second.text
        first.say("Hello")
        first.wait_for("1: Hello")
        first.wait_for_prompt(PROMPT)
        first.press(CTRL_D)
        assert first.has_ended() == 0
