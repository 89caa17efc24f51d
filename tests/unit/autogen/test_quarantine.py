"""A task that refuses to end costs its team, as long as it refuses, and hangs no other run."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from autogen_agentchat.base import ChatAgent, Team
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Quarantined, Run, Supervisor
from supervisor._core.run_state import Phase
from supervisor.testing import assert_settled
from supervisor.testing._settled import said
from tests.agents import Agent, Stubborn
from tests.unit.autogen.checks import SHORT, assert_all_put_back, contents
from tests.unit.autogen.stops import REASON, Moment, go_on, speaker
from tests.unit.testing.teams import round_robin


@asynccontextmanager
async def given_up(team: Team | ChatAgent, stubborn: Stubborn) -> AsyncGenerator[Quarantined, None]:
    """Give up a team, whose agent is let go behind the block; check that it is free afterwards."""
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        run = sup.stream(team, "go")
        running = asyncio.create_task(run)
        await stubborn.is_working.wait()
        run.stop(REASON)
        try:
            with pytest.raises(Quarantined) as caught:
                await running
            yield caught.value
        finally:
            stubborn.let_go.set()
            await _until_done(run)
    assert_settled(team)
    assert_all_put_back()


async def _until_done(run: Run) -> None:
    while run.phase is not Phase.DONE:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)


def nested(innermost: ChatAgent) -> tuple[RoundRobinGroupChat, RoundRobinGroupChat]:
    """Make a team in a team; return it, and the inner one."""
    inner = round_robin(innermost, turns=1, name="inner")
    return round_robin(inner, Agent("other"), name="outer"), inner


async def test_the_error_names_the_agent_and_what_it_is_doing() -> None:
    """The error holds the names of the team and the agent, and its file and line."""
    stubborn = Stubborn()
    async with given_up(round_robin(Agent("a"), stubborn), stubborn) as error:
        assert error.agents == ("stubborn",)
        assert error.team == "team"
        assert "Stubborn.work" in error.doing or "wait" in error.doing
        found = re.search(r"\((.+\.py):(\d+)\)", error.doing)
        assert found is not None
        assert error.seconds == pytest.approx(0.2, abs=0.15)
        for part in ("'team'", "'stubborn'", error.doing):
            assert part in str(error)


async def test_the_line_in_the_error_is_the_agents_own() -> None:
    """For an agent that waits for asyncio, file and line are the agent's, not asyncio's."""
    lines, first = inspect.getsourcelines(Stubborn.work)
    stubborn = Stubborn()
    async with given_up(round_robin(stubborn), stubborn) as error:
        found = re.search(r"Stubborn\.work \((.+?):(\d+)\)", error.doing)
        assert found is not None, error.doing
        assert found[1] == inspect.getsourcefile(Stubborn)
        assert first <= int(found[2]) < first + len(lines)


async def test_using_the_team_again_is_the_same_error() -> None:
    """Each further run raises the error, under another supervisor too, and none hangs."""
    stubborn = Stubborn()
    team = round_robin(stubborn, turns=1)
    async with given_up(team, stubborn) as error:
        for _ in range(2):
            async with Supervisor(signals={}) as other:
                with pytest.raises(Quarantined) as caught:
                    await other.stream(team, "again")
            assert caught.value is error
    assert contents(await go_on(team, "again")) == ["again", "done"]


async def test_a_team_within_is_refused_as_well() -> None:
    """The inner team of one in quarantine cannot be run alone, until the outer one is free."""
    stubborn = Stubborn()
    outer, inner = nested(stubborn)
    async with given_up(outer, stubborn) as error:
        assert error.team == "outer"
        assert "stubborn" in error.agents
        async with Supervisor(signals={}) as other:
            for team in (inner, outer):
                with pytest.raises(Quarantined) as caught:
                    await other.stream(team, "again")
                assert caught.value is error
    assert contents(await go_on(inner, "again")) == ["again", "done"]
    assert len(contents(await go_on(outer, "again"))) == 3


async def test_a_team_around_it_is_refused_as_well() -> None:
    """A team that holds one in quarantine cannot be run either."""
    stubborn = Stubborn()
    outer, inner = nested(stubborn)
    async with given_up(inner, stubborn), Supervisor(signals={}) as other:
        with pytest.raises(Quarantined, match="inner"):
            await other.stream(outer, "go")
    assert len(contents(await go_on(outer, "go"))) == 3


async def test_other_teams_are_free() -> None:
    """A team that shares nothing with one in quarantine runs under the same supervisor."""
    stubborn = Stubborn()
    async with given_up(round_robin(stubborn), stubborn):
        assert contents(await go_on(round_robin(Agent("a"), turns=1), "go")) == ["go", "done"]


async def test_a_single_agent_is_refused_until_it_ends() -> None:
    """A single agent that refuses to end is in quarantine like a team."""
    stubborn = Stubborn()
    async with given_up(stubborn, stubborn) as error:
        assert error.team == "stubborn"
        async with Supervisor(signals={}) as other:
            with pytest.raises(Quarantined):
                await other.stream(stubborn, "again")
    assert contents(await go_on(stubborn, "again")) == ["again", "done"]


async def test_the_team_is_repaired_when_the_handler_ends() -> None:
    """What was finished is kept; the agent that refused speaks next, and hears all once."""
    stubborn, cleo = Stubborn(), speaker("cleo")
    team = round_robin(speaker("ann"), stubborn, cleo, turns=3)
    async with given_up(team, stubborn):
        assert stubborn.swallowed > 0
    assert said(team) == [("ann", "ann 0")]
    assert contents(await go_on(team)) == ["done", "cleo 0", "ann 1"]


async def test_a_team_whose_handler_ended_by_the_next_use_is_free() -> None:
    """A team whose handler has ended between two runs is free for the second."""
    stubborn = Stubborn()
    team = round_robin(stubborn, turns=1)
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        run = sup.stream(team, "go")
        running = asyncio.create_task(run)
        await stubborn.is_working.wait()
        run.stop(REASON)
        with pytest.raises(Quarantined):
            await running
        stubborn.let_go.set()
        await _until_done(run)
        assert contents(await sup.stream(team, "again")) == ["again", "done"]
    assert_all_put_back()


async def test_an_agent_that_ends_late_but_in_time_is_not_in_quarantine() -> None:
    """A team is free whose agent ends late, but in time."""
    moment = Moment()

    class Late(Agent):
        async def work(self, token: Any) -> None:
            try:
                await moment.wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0.02)
                raise

    team = round_robin(Late("late"), turns=1)
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        running = asyncio.create_task(sup.stream(team, "go"))
        await moment.is_there.wait()
        sup.stop(REASON)
        assert contents(await running) == ["go"]
    assert_settled(team)
    assert contents(await go_on(team)) == ["done"]
