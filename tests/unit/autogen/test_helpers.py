"""A helper, which serves later runs too, is ended at ABANDON; one that refuses costs no team."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("mcp", reason="needs the extra `mcp`")

from autogen_core import CancellationToken
from autogen_ext.tools.mcp import (  # pyright: ignore[reportMissingTypeStubs]
    McpSessionActor,
    StdioServerParams,
)

from supervisor import Supervisor
from supervisor.testing import assert_settled
from tests.agents import Agent
from tests.unit.autogen.checks import SHORT, assert_all_put_back
from tests.unit.autogen.stops import REASON, go_on
from tests.unit.testing.teams import round_robin


class _Session(McpSessionActor):
    """A session whose task swallows every cancellation until it is let go."""

    def __init__(self) -> None:
        super().__init__(StdioServerParams(command="none"))
        self.let_go = asyncio.Event()
        self.was_cancelled = asyncio.Event()

    async def _run_actor(self) -> None:
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                self.was_cancelled.set()


class _Opens(Agent):
    """Opens the session, and works until that is cancelled, which is at ABANDON."""

    def __init__(self, session: _Session) -> None:
        super().__init__("opens")
        self.session = session
        self.is_working = asyncio.Event()

    async def work(self, token: CancellationToken) -> None:
        """Swallow the cancellations that come before."""
        await self.session.initialize()
        self.is_working.set()
        while not self.session.was_cancelled.is_set():
            try:
                await self.session.was_cancelled.wait()
            except asyncio.CancelledError:
                continue


async def test_a_helper_that_refuses_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    """The run has its result when the ladder has ended, and its team can be run again."""
    session = _Session()
    agent = _Opens(session)
    team = round_robin(agent)
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        run = sup.stream(team, "go")
        running = asyncio.create_task(run)
        await agent.is_working.wait()
        run.stop(REASON)
        try:
            assert (await running).stop_reason == REASON
            helper = session._actor_task
            assert helper is not None
            assert not helper.done()
            await go_on(team)
        finally:
            session.let_go.set()
        await asyncio.wait({helper})
    while "helper refused to stop" not in caplog.text:  # noqa: ASYNC110 - a thread writes it
        await asyncio.sleep(0)
    assert_settled(team)
    assert_all_put_back()
