"""A user is asked and does not answer: in a thread, in a coroutine, by `read_input`."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.messages import UserInputRequestedEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from supervisor import Supervisor, read_input
from tests.blocking.stops import run_again, stop, words

by_stop_and_cancel = pytest.mark.parametrize("way", ["sup.stop", "task.cancel"])
pytestmark = pytest.mark.blocks


class User:
    """Answers once it is released; records when it is asked."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.answers = threading.Event()
        self.asked = 0
        self._loop = asyncio.get_running_loop()

    def in_a_thread(self, prompt: str) -> str:
        """Wait for input, as a sync input function."""
        self.asked += 1
        self._loop.call_soon_threadsafe(self.is_asked.set)
        assert self.answers.wait(10)
        return "answer"

    async def in_the_loop(self, prompt: str, token: CancellationToken | None) -> str:
        """Wait for input, as an async input function that ignores the token."""
        self.asked += 1
        self.is_asked.set()
        while not self.answers.is_set():  # noqa: ASYNC110 - shared with a thread's
            await asyncio.sleep(0)
        return "answer"


def _team(function: Callable[..., object]) -> RoundRobinGroupChat:
    user = UserProxyAgent("user_proxy", input_func=function)  # type: ignore[arg-type]
    return RoundRobinGroupChat([user], max_turns=1)


@by_stop_and_cancel
@pytest.mark.parametrize("kind", ["in_a_thread", "in_the_loop"])
async def test_an_input_function_of_the_users(kind: str, way: str) -> None:
    """The run settles although nobody answers, and the next run asks again."""
    user = User()
    team = _team(getattr(user, kind))
    result = await stop(team, user.is_asked.wait(), way)
    assert result is None or words(result) == ["go"]
    user.answers.set()
    result = await run_again(team, None)
    assert words(result) == ["answer"]
    assert user.asked == 2


@by_stop_and_cancel
async def test_autogens_own_input(way: str, monkeypatch: pytest.MonkeyPatch, keyboard: int) -> None:
    """The run settles, while the thread of `input()` goes on waiting and takes the next line."""
    is_asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    real = input

    def told(prompt: str) -> str:
        loop.call_soon_threadsafe(is_asked.set)
        return real(prompt)

    monkeypatch.setattr("builtins.input", told)
    team = RoundRobinGroupChat([UserProxyAgent("user_proxy")], max_turns=1)
    await stop(team, is_asked.wait(), way)
    os.write(keyboard, b"lost\nanswer\n")
    assert words(await run_again(team, None)) == ["answer"]


@by_stop_and_cancel
async def test_read_input(way: str, keyboard: int) -> None:
    """Nothing of the wait is left; the next typed line answers the next question."""
    team = _team(read_input)
    asked = _Asked()
    await stop(team, asked.until(team), way)
    os.write(keyboard, b"answer\n")
    assert words(await run_again(team, None)) == ["answer"]
    assert not [t for t in threading.enumerate() if "executor" in t.name or "asyncio" in t.name]


async def test_read_input_answers(keyboard: int) -> None:
    """A question gets its answer, and the run has its result."""
    os.write(keyboard, b"answer\n")
    result = await run_again(_team(read_input), "go")
    assert words(result) == ["go", "answer"]
    assert any(isinstance(m, UserInputRequestedEvent) for m in result.messages)


@pytest.mark.parametrize("is_team", [True, False], ids=["team", "agent"])
async def test_the_end_of_the_input_is_one_plain_error(
    is_team: bool, keyboard: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The run raises EOFError for Ctrl-D, nothing is logged, and the next run asks again."""
    user = UserProxyAgent("user_proxy", input_func=read_input)
    team = RoundRobinGroupChat([user], max_turns=1) if is_team else user
    typed, sys.stdin = sys.stdin, io.TextIOWrapper(io.FileIO(os.devnull))
    async with Supervisor(signals={}) as sup:
        with sys.stdin, pytest.raises(EOFError, match="nobody can answer") as caught:
            await sup.stream(team, "go")
        sys.stdin = typed
        os.write(keyboard, b"answer\n")
        assert words(await sup.stream(team)) == ["answer"]
    assert caught.value.__cause__ is None
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


class _Asked:
    """Waits until the loop watches one more file, which is stdin."""

    def __init__(self) -> None:
        self._files = _open_files()

    async def until(self, team: RoundRobinGroupChat) -> None:
        """Wait for it."""
        while _open_files() == self._files:  # noqa: ASYNC110 - opening a file sets no event
            await asyncio.sleep(0)


def _open_files() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - as few steps as possible


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Return the far end of a pipe that is stdin."""
    near, far = os.pipe()
    with open(near, encoding="utf-8") as stdin:  # noqa: PTH123 - it has a number, and no name
        monkeypatch.setattr(sys, "stdin", stdin)
        yield far
        os.close(far)
