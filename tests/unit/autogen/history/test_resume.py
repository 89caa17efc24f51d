"""A team within a team, interrupted: it goes on where it was, and without what it was given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import SocietyOfMindAgent, UserProxyAgent
from autogen_agentchat.conditions import SourceMatchTermination, TextMentionTermination
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_core import CancellationToken

from supervisor import Rung, Supervisor
from supervisor._autogen.history.resume import ResumingTeam, behind
from supervisor._autogen.upstream.snapshot import thread
from supervisor.testing import ScriptedAgent, ScriptedModel, assert_settled
from supervisor.testing._settled import said
from tests.agents import Agent
from tests.unit.autogen.checks import adapter_in, contents, stand_ins, who
from tests.unit.autogen.stops import (
    Moment,
    at_each_step,
    go_on,
    requests,
    speaker,
    stop_at,
    stopped,
)
from tests.unit.testing.teams import (
    Stored,
    agent,
    graph,
    nested,
    pair,
    round_robin,
    selector,
    swarm,
)

pytestmark = pytest.mark.one_loop


class Nested:
    """An inner team of ann and of bob, who waits, in an outer team with cleo.

    Args:
        moment: Where bob waits.
        max_turns: How many turns the inner team has; None where it ends as bob has spoken.
    """

    def __init__(self, moment: Moment | None = None, max_turns: int | None = 2) -> None:
        self.ann, self.bob = speaker("ann"), speaker("bob", moment)
        self.cleo = speaker("cleo")
        condition = SourceMatchTermination(["bob"]) if max_turns is None else None
        self.inner = RoundRobinGroupChat(
            [self.ann, self.bob], name="inner", max_turns=max_turns, termination_condition=condition
        )
        self.team = RoundRobinGroupChat([self.inner, self.cleo], name="outer", max_turns=2)


async def test_a_nested_team_keeps_what_its_members_have_finished() -> None:
    """The inner team resumes with the interrupted member, without a task."""
    moment = Moment()
    made = Nested(moment)
    result = await stopped(made.team, moment)
    assert contents(result) == ["go", "ann 0"]
    assert said(made.team) == [("ann", "ann 0")]
    assert contents(await go_on(made.team)) == ["bob 0", "cleo 0"]
    assert [message.content for message in requests(made.cleo)[-1]] == ["go", "ann 0", "bob 0"]
    assert stand_ins(made.team) == []
    assert len(requests(made.ann)) == 1


async def test_the_inner_team_goes_on_without_a_supervisor() -> None:
    """Plain `team.run()` after the stop resumes the inner team as well."""
    moment = Moment()
    made = Nested(moment)
    await stopped(made.team, moment)
    assert contents(await made.team.run()) == ["bob 0", "cleo 0"]
    assert_settled(made.team)
    assert stand_ins(made.team) == []


async def test_a_new_task_is_heard_by_the_inner_team_that_goes_on() -> None:
    """The resumed inner team hears the new task, and not the old one again."""
    moment = Moment()
    made = Nested(moment)
    await stopped(made.team, moment)
    result = await go_on(made.team, "again")
    assert who(result)[0] == "bob"
    texts = [message.content for message in requests(made.bob)[-1]]
    assert texts[:3] == ["go", "ann 0", "again"]


async def test_the_inner_team_goes_on_in_a_fresh_one() -> None:
    """A fresh team that has loaded the state goes on under a supervisor."""
    moment = Moment()
    made, other = Nested(moment, None), Nested(max_turns=None)
    await stopped(made.team, moment)
    await other.team.load_state(await made.team.save_state())
    assert contents(await go_on(other.team)) == ["bob 0", "cleo 0"]
    assert [message.content for message in requests(other.cleo)[-1]] == ["go", "ann 0", "bob 0"]


async def test_the_inner_team_is_reset_with_the_outer_one() -> None:
    """After `reset()` nothing is resumed: both teams begin anew."""
    moment = Moment()
    made = Nested(moment)
    await stopped(made.team, moment)
    await made.team.reset()
    assert stand_ins(made.team) == []
    assert contents(await go_on(made.team, "again")) == ["again", "ann 0", "bob 0", "cleo 0"]


async def test_the_inner_team_can_be_run_by_itself() -> None:
    """The inner team can be given a task of its own, and runs."""
    moment = Moment()
    made = Nested(moment)
    await stopped(made.team, moment)
    result = await go_on(made.inner, "yours")
    assert len(result.messages) == 3
    assert result.messages[0].to_text() == "yours"


async def test_interrupted_once_more_before_it_goes_on() -> None:
    """A second stop, at each step of the resumed run, loses nothing that was finished."""
    asyncio.get_running_loop().set_debug(False)
    for step in range(1, 400, 7):
        moment = Moment()
        made = Nested(moment)
        await stopped(made.team, moment)
        if await stop_at(made.team, step, task=None) is None:
            break
        await go_on(made.team)
        assert [text for _, text in said(made.team)][:3] == ["ann 0", "bob 0", "cleo 0"]
    else:
        pytest.fail("the run has more than 400 steps")


@pytest.mark.timeout(120)  # a hundred runs, and it begins with the longest
@pytest.mark.parametrize("every", [29, pytest.param(13, marks=pytest.mark.soak)])
@pytest.mark.parametrize("make", [pair, selector, swarm], ids=lambda make: make.__name__)
async def test_interrupted_once_more_in_any_team(
    make: Callable[[], BaseGroupChat], every: int
) -> None:
    """After two stops, at some steps each, all has been said that had to be said."""
    asyncio.get_running_loop().set_debug(False)
    whole = make()
    await whole.run(task="go")
    for first in range(5, 200, every + 4):
        for second in range(1, 200, every):
            team = make()
            if await stop_at(team, first) is None:
                return
            begun = bool(thread(team))
            if await stop_at(team, second, task=None if begun else "go") is None:
                break
            await go_on(team, None if thread(team) else "go")
            shared = min(len(said(team)), len(said(whole)))
            assert said(team)[:shared] == said(whole)[:shared], (first, second)


@pytest.mark.parametrize("stops", [1, 2])
async def test_a_society_goes_on_with_its_inner_team(stops: int) -> None:
    """The inner team of a `SocietyOfMindAgent` resumes; the summary is of all that was said."""
    moments = [Moment() for _ in range(stops)]
    waiting = iter(moments)

    class Next(Moment):
        async def wait(self) -> None:
            for moment in waiting:
                await moment.wait()

    inner = RoundRobinGroupChat([speaker("ann"), speaker("bob", Next())], name="inner", max_turns=2)
    model = ScriptedModel(lambda messages: f"{len(messages)} messages")
    society = SocietyOfMindAgent("society", inner, model)
    team = round_robin(society, speaker("cleo"))
    for moment in moments:
        await stopped(team, moment, task="go" if moment is moments[0] else None)
    result = await go_on(team)
    assert [message.source for message in result.messages][-1] == "cleo"
    assert [str(message.content) for message in model.requests[-1]][1:3] == ["ann 0", "bob 0"]
    assert society._team is inner


async def test_three_deep() -> None:
    """The innermost team's member goes on, and the teams around it wait for it, in order."""
    whole = nested()
    await whole.run(task="go")
    async for team, _ in at_each_step(nested, every=11):
        begun = bool(thread(team))
        await go_on(team, None if begun else "go")
        shared = min(len(said(team)), len(said(whole)))
        assert said(team)[:shared] == said(whole)[:shared]
        assert stand_ins(team) == []


class _Place:
    def __init__(self, team: Any) -> None:
        self.held: Any = ResumingTeam(team, self._put_back)
        self.team = team

    def _put_back(self) -> None:
        self.held = self.team


async def test_the_stand_in_looks_like_the_team() -> None:
    """The stand-in has the team's name, description, state and component."""
    team = round_robin(Agent("ann"), name="inner")
    await team.run(task="go")
    stand_in = _Place(team).held
    assert (stand_in.name, stand_in.description) == (team.name, team.description)
    assert await stand_in.save_state() == await team.save_state()
    assert behind(stand_in) is team
    assert behind(team) is team


@pytest.mark.parametrize(("task", "said"), [([], ["done"]), ("again", ["again", "done"])])
async def test_a_task_is_passed_on(task: Any, said: list[str]) -> None:
    """A task reaches the team; an empty one, which AutoGen refuses, becomes none."""
    team = round_robin(Agent("ann"), turns=1, name="inner")
    await team.run(task="go")
    place = _Place(team)
    assert contents(await place.held.run(task=task)) == said
    assert place.held is team


async def test_the_stand_in_is_paused_resumed_and_exported_as_the_team() -> None:
    """What AutoGen asks a team for beside its runs goes to the team, which is not put back."""
    told = list[str]()

    class Told(RoundRobinGroupChat):
        async def pause(self) -> None:
            told.append("pause")

        async def resume(self) -> None:
            told.append("resume")

    team = Told([UserProxyAgent("user")], name="inner")
    place = _Place(team)
    stand_in = place.held
    await stand_in.pause()
    await stand_in.resume()
    assert told == ["pause", "resume"]
    assert stand_in.dump_component() == team.dump_component()
    assert place.held is stand_in


@pytest.mark.parametrize("name", ["reset", "load_state"])
async def test_a_reset_or_another_state_ends_the_stand_in(name: str) -> None:
    """A team that was reset, or has loaded another state, resumes nothing."""
    team = round_robin(Agent("ann"), turns=1, name="inner")
    await team.run(task="go")
    place = _Place(team)
    state = await team.save_state()
    await (place.held.reset() if name == "reset" else place.held.load_state(state))
    assert place.held is team


@pytest.mark.parametrize("make", [pair, selector, swarm, graph], ids=lambda make: make.__name__)
async def test_a_team_that_is_given_another_state_does_not_go_on(
    make: Callable[[], BaseGroupChat],
) -> None:
    """A member interrupted in one conversation does not speak first in another."""
    fresh = make()
    await fresh.run(task="other")
    state = await fresh.save_state()
    other = make()
    await other.load_state(state)
    expected = await other.run(task="again")
    async for team, _ in at_each_step(make, every=17):
        await team.load_state(state)
        assert sorted(who(await go_on(team, "again"))) == sorted(who(expected))


async def test_drained_and_asked_again() -> None:
    """After DRAIN the next member in turn speaks, for none was interrupted."""
    moment = Moment()
    team = round_robin(speaker("ann", moment), speaker("bob"))
    assert contents(await stopped(team, moment, Rung.DRAIN)) == ["go", "ann 0"]
    assert contents(await go_on(team)) == ["bob 0", "ann 1"]


async def test_agents_of_a_fresh_team_do_not_matter() -> None:
    """Agents whose models answer by the transcript say the same in a fresh team."""
    whole = round_robin(agent("ann"), agent("bob"), turns=4)
    await whole.run(task="go")
    async for team, _ in at_each_step(
        lambda: round_robin(agent("ann"), agent("bob"), turns=4), every=9
    ):
        while len(said(team)) < 4:
            await go_on(team, None if thread(team) else "go")
        assert said(team)[:4] == said(whole)


class _Asking(ScriptedAgent):
    """An agent of the user's that gives what it hears to a team of its own.

    Args:
        name: Its name.
        team: The team.
    """

    def __init__(self, name: str, team: BaseGroupChat) -> None:
        super().__init__(name, self._turn)
        self.team = team

    async def _turn(
        self, heard: Sequence[BaseChatMessage], token: CancellationToken
    ) -> AsyncGenerator[str, None]:
        result = await self.team.run(task=list(heard), cancellation_token=token)
        yield contents(result)[-1]


async def test_a_team_that_an_agent_asks_begins_anew_with_all_that_is_in_it() -> None:
    """A turn of a user's agent is undone, with what a team in its team had finished."""
    moment = Moment()
    ann, bob = speaker("ann"), speaker("bob", moment)
    inner = round_robin(round_robin(ann, turns=1, name="third"), bob, name="second")
    team = round_robin(_Asking("asker", inner), turns=1)
    assert contents(await stopped(team, moment)) == ["go"]
    assert contents(await go_on(team)) == ["bob 0"]
    assert [[message.content for message in each] for each in requests(ann)] == [["go"]] * 2
    assert [message.content for message in requests(bob)[-1]] == ["go", "ann 0"]


async def test_who_is_at_work_in_a_society_by_itself() -> None:
    """The inner team's member is interrupted, and not the society."""
    moment = Moment()
    inner = round_robin(speaker("ann"), speaker("bob", moment), name="inner")
    society = SocietyOfMindAgent("society", inner, ScriptedModel(["all"]))
    async with Supervisor(signals={}) as sup:
        run = sup.stream(society, "go")
        running = asyncio.create_task(run)
        await moment.is_there.wait()
        assert adapter_in(run).active_agents() == ["bob"]
        moment.let_go.set()
        assert contents(await running)[-1] == "all"


async def test_a_society_whose_members_remember_elsewhere() -> None:
    """At each step before its team has the task, it begins anew: nobody is given anything twice."""
    asked: list[BaseGroupChat] = []

    def make() -> BaseGroupChat:
        asked.append(round_robin(speaker("ann", model_context=Stored()), turns=1, name="inner"))
        return round_robin(SocietyOfMindAgent("society", asked[-1], ScriptedModel()), turns=1)

    async for team, _ in at_each_step(make):
        if asked[-1]._initialized and thread(asked[-1]):
            return
        await go_on(team, None if thread(team) else "go")
        assert [who for who, _ in said(team)] == ["society"]


async def test_an_end_that_is_found_within_a_turn_comes_with_that_turn() -> None:
    """A condition that holds in mid-turn ends the team with the whole turn, stopped or not."""

    def make(moment: Moment | None) -> BaseGroupChat:
        third = round_robin(speaker("ann"), speaker("bob", moment), name="third")
        condition = TextMentionTermination(" 0")
        second = RoundRobinGroupChat(
            [third, speaker("cleo")], name="second", termination_condition=condition
        )
        return round_robin(second, speaker("dan"), name="first")

    whole, moment = make(None), Moment()
    await whole.run(task="go")
    team = make(moment)
    await stopped(team, moment)
    await go_on(team)
    assert said(team) == said(whole)
