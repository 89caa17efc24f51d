"""The state after each turn: a team that loads it goes on as if never interrupted."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from autogen_agentchat.base import ChatAgent, Team

from supervisor import Supervisor
from supervisor._autogen import turns
from supervisor._autogen.adapter import TeamAdapter
from supervisor._autogen.history.journal import Journal
from supervisor._core.run import adapter_of
from supervisor.testing import assert_settled
from supervisor.testing._settled import said
from supervisor.types import Runnable
from tests.unit.autogen.draining import classes_of_teams
from tests.unit.autogen.stops import Moment, speaker
from tests.unit.testing.teams import Keeper, agent, round_robin, scenarios

SCENARIOS = scenarios()
# Those whose saved state has everything, as far as AutoGen goes.
WHOLE = ("pair", "swarm", "graph", "backwards", "nested", "tools", "nested with tools")


async def _states(team: Runnable) -> list[tuple[Mapping[str, Any], int]]:
    found: list[tuple[Mapping[str, Any], int]] = []
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, "Begin")
        turns.watch(run, lambda state, count: found.append((json.loads(json.dumps(state)), count)))
        await run
    return found


@pytest.mark.parametrize("name", WHOLE)
async def test_a_fresh_team_goes_on_from_each_turn(name: str) -> None:
    """Loaded into a fresh team, the state after any turn leads to the same messages."""
    scenario = SCENARIOS[name]
    make = cast("Callable[[], Team]", scenario.make)
    team = make()
    states = await _states(team)
    assert states
    whole = said(team)
    for state, count in states:
        other = make()
        await other.load_state(state)
        assert len(said(other)) == count - 1  # and the task
        async with Supervisor(signals={}) as sup:
            while len(said(other)) < len(whole):
                await sup.stream(other)
        assert_settled(other)
        now = said(other)[: len(whole)]
        assert now == whole if scenario.is_ordered else not Counter(now) - Counter(whole)


async def test_what_is_on_its_way_to_a_member_is_in_the_state() -> None:
    """A member that has not handled the last answer yet has it in the state all the same."""
    states: list[Mapping[str, Any]] = []
    team = SCENARIOS["pair"].make()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(cast("Runnable", team), "Begin")
        turns.watch(run, lambda state, _: states.append(state))
        journal = cast(TeamAdapter, adapter_of(run)).context.journal
        note = journal.on_turn
        assert note is not None

        def before_it_is_handled(now: Journal) -> None:
            assert now.root is not None
            group = now.root.group
            held = group.buffer("bob")
            group.put_buffer("bob", held[:-1])
            note(now)
            group.put_buffer("bob", held)

        journal.on_turn = before_it_is_handled
        await run
    buffer = states[0]["agent_states"]["bob"]["message_buffer"]
    assert [message["source"] for message in buffer] == ["user", "ann"]


async def test_one_state_for_each_turn_but_the_last() -> None:
    """The last turn ends the run, after which the team's own `save_state()` is whole."""
    states = await _states(round_robin(agent("ann"), agent("bob"), turns=4))
    assert [count for _, count in states] == [2, 3, 4]


async def test_no_state_before_the_first_answer() -> None:
    """A team that has only heard its task is in no state to go on from."""
    assert not await _states(round_robin(agent("ann"), turns=1))


async def test_no_state_where_saving_one_waits() -> None:
    """An agent whose `save_state()` waits is not waited for between two turns; the run goes on."""

    class Slow(Keeper):
        async def save_state(self) -> Mapping[str, Any]:
            await asyncio.sleep(0)
            return {}

    team = round_robin(Slow("ann"), turns=3)
    assert not await _states(team)
    assert len(said(team)) == 3


async def test_no_state_of_a_single_agent() -> None:
    """A single agent has one turn, its whole run."""
    assert not await _states(agent("ann"))


# -- one run, ended between two turns -----------------------------------------------------------


@pytest.mark.parametrize("kind", list(classes_of_teams()))
async def test_a_run_is_drained_alone(kind: str) -> None:
    """`run.drain()` lets the turn finish and begins no other; the supervisor's block goes on."""
    moment = Moment()
    ann, bob = speaker("ann", moment), speaker("bob")
    team = classes_of_teams()[kind](ann, bob)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, "go")
        running = asyncio.create_task(run)
        await moment.is_there.wait()
        run.drain("Other words")
        await asyncio.sleep(0)
        moment.let_go.set()
        result = await running
        assert (run.is_drained, result.stop_reason) == (True, "Other words")
        assert said(team)[-1] == ("ann", "ann 0")
        assert sup.stop_request is None
        assert_settled(team)
        async for _ in sup.stream(team, "and on"):
            break


async def test_a_drained_run_can_be_stopped() -> None:
    """`run.stop()` ends at once a run whose last turn does not come to its end."""
    moment = Moment()
    team = round_robin(speaker("ann", moment), speaker("bob"))
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, "go")
        running = asyncio.create_task(run)
        await moment.is_there.wait()
        run.drain("Other words")
        run.stop("Enough")
        await running
        assert not run.is_drained
        assert not said(team)


async def test_a_run_that_is_drained_before_it_starts_never_does() -> None:
    """As with `stop`, nothing is run."""
    members: list[ChatAgent | Team] = [agent("ann")]
    async with Supervisor(signals={}) as sup:
        run = sup.stream(round_robin(*members), "go")
        run.drain("Too late")
        result = await run
        assert (result.messages, result.stop_reason) == ([], "Too late")
