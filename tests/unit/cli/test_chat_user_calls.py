"""Code of the user's that hangs or fails between two answers: a save, a reset, a restore."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from autogen_core import CancellationToken

from supervisor.testing import ScriptedAgent
from supervisor.testing._settled import said
from supervisor.types import Runnable
from tests.unit.cli.conversations import Chat, chat
from tests.unit.testing.teams import agent, round_robin

T = TypeVar("T")


class Hanging(ScriptedAgent):
    """An agent in which one method hangs while the test wants it to.

    Args:
        method: Its name.
        refuses: Whether it does not end when it is cancelled.
    """

    def __init__(self, method: str, *, refuses: bool = False) -> None:
        super().__init__("ann", ["One", "Two", "Three", "Four"])
        self.hangs: asyncio.Event | None = None
        self.let_go = asyncio.Event()
        works = getattr(self, method)

        async def hang(*arguments: object) -> object:
            if self.hangs is not None:
                self.hangs.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    if not refuses:
                        raise
                    await self.let_go.wait()
            return await works(*arguments)

        setattr(self, method, hang)


async def _stopped_in(talk: Chat, doing: Awaitable[T], *, times: int = 1) -> T:
    """Stop the chat while the agent that was built first hangs."""
    hanging = talk.source.built[0]
    assert isinstance(hanging, Hanging)
    hanging.hangs = asyncio.Event()
    task = asyncio.ensure_future(doing)
    await hanging.hangs.wait()
    hanging.hangs = None
    for _ in range(times):
        talk.stop()
        await asyncio.sleep(0)
    try:
        return await task
    finally:
        hanging.let_go.set()


def _hanging_first(method: str, *, refuses: bool = False) -> Callable[[], Runnable]:
    makes = iter([Hanging(method, refuses=refuses)])
    return lambda: next(makes, None) or ScriptedAgent("ann", ["Two", "Three"])


@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize(("method", "command"), [("on_reset", "/reset"), ("load_state", "/undo")])
async def test_a_command_that_hangs_is_stopped(method: str, command: str, refuses: bool) -> None:
    """The conversation is as before the command, and goes on, even where the agent refuses."""
    async with chat(_hanging_first(method, refuses=refuses)) as talk:
        await talk.exchange("Begin")
        text = await _stopped_in(talk, talk.command(command), times=1 + refuses)
        assert "it was stopped" in text
        assert len(talk.source.built) == 2
        assert "2 messages; 1 to undo" in await talk.command("/state")
        assert (await talk.exchange("More")).outcome == "finished"


async def test_a_hanging_save_is_stopped() -> None:
    """The answer is whole; what was queued comes back, as after any stop."""
    async with chat(_hanging_first("save_state")) as talk:
        talk.on = lambda _: talk.queue("More")
        done = await _stopped_in(talk, talk.exchange("Begin"))
        assert (done.outcome, done.words) == ("finished", "More")
        talk.on = lambda _: None
        assert (await talk.exchange("More")).outcome == "finished"


async def test_a_reset_that_fails_changes_nothing() -> None:
    """Where an agent cannot be reset, those that were are as before, too."""

    class Failing(ScriptedAgent):
        async def on_reset(self, cancellation_token: CancellationToken) -> None:
            raise ValueError("never")

    async with chat(lambda: round_robin(agent("ann"), Failing("bob", ["Yes"] * 9))) as talk:
        await talk.exchange("Begin")
        before = said(talk.team)
        assert "not reset: " in await talk.command("/reset")
        assert said(talk.team) == before


async def test_a_chat_that_is_cancelled_cancels_the_call() -> None:
    """Where the program is ended, no call of the user's goes on behind it."""
    async with chat(_hanging_first("on_reset")) as talk:
        hanging = talk.source.built[0]
        assert isinstance(hanging, Hanging)
        hanging.hangs = asyncio.Event()
        task = asyncio.create_task(talk.command("/reset"))
        await hanging.hangs.wait()
        call = talk._target.calls._task
        assert call is not None
        task.cancel()
        await asyncio.wait([task, call])
        assert task.cancelled()
        assert call.cancelled()


async def test_a_third_stop_of_a_call_changes_nothing() -> None:
    """The second has left the call to itself already."""
    async with chat(_hanging_first("on_reset", refuses=True)) as talk:
        hanging = talk.source.built[0]
        assert isinstance(hanging, Hanging)
        hanging.hangs = asyncio.Event()
        task = asyncio.create_task(talk.command("/reset"))
        await hanging.hangs.wait()
        hanging.hangs = None
        for _ in range(3):
            talk.stop()
        assert "it was stopped" in await task
        hanging.let_go.set()
