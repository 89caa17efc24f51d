"""Who speaks after a stop: the interrupted one next, in each class of teams, at any depth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent, SocietyOfMindAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import SourceMatchTermination
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_core import SingleThreadedAgentRuntime
from autogen_core.models import LLMMessage

from supervisor import Rung
from supervisor._autogen.history.resume import ResumingTeam, behind
from supervisor._autogen.upstream.snapshot import thread
from supervisor.testing import ScriptedModel, answers_so_far, assert_settled, calls
from supervisor.testing._settled import said
from tests.agents import Agent
from tests.unit.autogen.checks import contents
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
    Backwards,
    agent,
    graph,
    nested,
    pair,
    round_robin,
    selector,
    swarm,
)


def who(result: TaskResult) -> list[str]:
    """Who has spoken, the user left out."""
    chat = [message for message in result.messages if isinstance(message, TextMessage)]
    return [message.source for message in chat if message.source != "user"]


def stand_ins(team: BaseGroupChat) -> list[str]:
    """What stands in AutoGen's place, within a team that was run."""
    assert isinstance(team._runtime, SingleThreadedAgentRuntime)
    found: list[dict[str, Any]] = [vars(a) for a in team._runtime._instantiated_agents.values()]
    methods = [name for each in found for name in each if name in _METHODS]
    members = [
        each["_agent"].name for each in found if isinstance(each.get("_agent"), ResumingTeam)
    ]
    return [*methods, *members]


_METHODS = {"select_speaker", "on_message_impl", "handle_agent_response"}


# -- by turns -----------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [None, "again"])
async def test_round_robin_asks_who_was_interrupted(task: str | None) -> None:
    """The second speaker was interrupted, and is asked first; a new task is heard by all."""
    moment = Moment()
    team = round_robin(speaker("ann"), speaker("bob", moment), speaker("cleo"), turns=3)
    await stopped(team, moment)
    assert who(await go_on(team, task)) == ["bob", "cleo", "ann"]
    assert stand_ins(team) == []


async def test_a_user_s_manager_asks_who_was_interrupted() -> None:
    """Whatever a manager of the user's selects by, who was interrupted is asked again."""
    moment = Moment()
    team = Backwards([speaker("ann"), speaker("bob"), speaker("cleo", moment)], 3)
    await stopped(team, moment)
    assert who(await go_on(team)) == ["cleo", "bob", "ann"]


# -- by a model ---------------------------------------------------------------------------------


class Selecting:
    """A selector's model: by turns ann, bob, cleo; waits in one of its answers."""

    def __init__(self, *names: str, at: int | None = None) -> None:
        self.names = list(names)
        self.at = at
        self.moment = Moment()
        self.asked = 0
        self.was_cancelled = 0
        self.model = ScriptedModel(self._reply)

    async def _reply(self, messages: Sequence[LLMMessage]) -> str:
        self.asked += 1
        if self.asked - 1 == self.at:
            try:
                await self.moment.wait()
            except asyncio.CancelledError:
                self.was_cancelled += 1
                raise
        return self.names.pop(0)


async def test_the_selector_s_model_is_not_asked_who_was_interrupted() -> None:
    """Without a new task the interrupted speaks; then the model selects, as it would have."""
    moment, selecting = Moment(), Selecting("bob", "ann", "cleo")
    members: list[Any] = [speaker("ann", moment), speaker("bob"), speaker("cleo")]
    team = SelectorGroupChat(members, selecting.model, max_turns=2)
    await stopped(team, moment)
    assert selecting.asked == 2
    assert who(await go_on(team)) == ["ann", "cleo"]
    assert selecting.asked == 3
    assert stand_ins(team) == []
    # AutoGen leaves the last speaker out of those who may follow.
    prompt = str(selecting.model.requests[2][0].content)
    assert "['bob', 'cleo']" in prompt


async def test_the_selector_s_model_is_asked_where_there_is_a_new_task() -> None:
    """A new task may be somebody else's: the model selects."""
    moment, selecting = Moment(), Selecting("ann", "cleo", "bob")
    members: list[Any] = [speaker("ann", moment), speaker("bob"), speaker("cleo")]
    team = SelectorGroupChat(members, selecting.model, max_turns=2)
    await stopped(team, moment)
    assert who(await go_on(team, "again")) == ["cleo", "bob"]
    assert selecting.asked == 3
    assert stand_ins(team) == []


async def test_an_interrupted_selection_is_made_again() -> None:
    """A stop while the model is asked: it is asked again, and nobody was the last speaker."""
    selecting = Selecting("ann", "bob", at=0)
    members: list[Any] = [speaker("ann"), speaker("bob"), speaker("cleo")]
    team = SelectorGroupChat(members, selecting.model, max_turns=2)
    await stopped(team, selecting.moment)
    assert who(await go_on(team)) == ["ann", "bob"]
    assert selecting.asked == 3


async def test_a_selector_function_is_not_asked_who_was_interrupted() -> None:
    """As with a model: a function that selects is asked after the interrupted has spoken."""
    moment, threads = Moment(), list[int]()

    def select(messages: Sequence[Any]) -> str:
        threads.append(len(messages))
        return "bob" if len(threads) == 1 else "ann"

    members: list[Any] = [speaker("ann"), speaker("bob", moment)]
    team = SelectorGroupChat(members, ScriptedModel([]), max_turns=2, selector_func=select)
    await stopped(team, moment)
    assert who(await go_on(team)) == ["bob", "ann"]
    assert threads == [1, 2]


# -- by handing over ----------------------------------------------------------------------------


async def test_swarm_asks_whom_it_was_handed_to() -> None:
    """The agent that was handed to and interrupted speaks next, and knows of the handoff."""
    moment = Moment()
    model = ScriptedModel(lambda messages: calls("transfer_to_bob"))
    ann, bob = AssistantAgent("ann", model, handoffs=["bob"]), speaker("bob", moment)
    team = Swarm([ann, bob], max_turns=2)
    await stopped(team, moment)
    result = await go_on(team)
    assert who(result) == ["bob", "bob"]
    texts = [message.content for message in requests(bob)[-1]]
    assert any("bob" in str(text) for text in texts)


# -- by a graph ---------------------------------------------------------------------------------


def fork(moment: Moment, *, waiting: Sequence[str] = ("c",)) -> GraphFlow:
    """A, then b and c at once, then d; c waits, once b has been heard."""

    def node(name: str) -> AssistantAgent:
        async def reply(messages: Sequence[LLMMessage]) -> str:
            if name in waiting:
                for _ in range(40):
                    await asyncio.sleep(0)
                await moment.wait()
            return f"{name} {answers_so_far(messages)}"

        return AssistantAgent(name, ScriptedModel(reply, unique=True))

    a, b, c, d = (node(name) for name in "abcd")
    builder = DiGraphBuilder()
    for each in (a, b, c, d):
        builder.add_node(each)
    builder.add_edge(a, b).add_edge(a, c).add_edge(b, d).add_edge(c, d)
    return GraphFlow([a, b, c, d], graph=builder.build())


async def test_a_graph_asks_only_the_branches_that_were_interrupted() -> None:
    """Of two parallel branches one had answered: the other is asked, then what follows both."""
    moment = Moment()
    team = fork(moment)
    assert who(await stopped(team, moment)) == ["a", "b"]
    assert who(await go_on(team)) == ["c", "d"]
    assert stand_ins(team) == []


async def test_a_graph_asks_all_branches_that_were_interrupted() -> None:
    """Neither of two parallel branches had answered: both are asked, in their order."""
    first, second = Moment(), Moment()

    class Both(Moment):
        async def wait(self) -> None:
            await (second if first.is_there.is_set() else first).wait()

    team = fork(Both(), waiting=("b", "c"))
    assert who(await stopped(team, second)) == ["a"]
    assert sorted(who(await go_on(team))[:2]) == ["b", "c"]
    assert [name for name, _ in said(team)][-1] == "d"
    assert len(said(team)) == 4


async def test_a_graph_begins_anew_with_a_new_task() -> None:
    """A new task runs the whole graph, from its start."""
    moment = Moment()
    team = fork(moment)
    await stopped(team, moment)
    result = await go_on(team, "again")
    assert sorted(who(result)) == ["a", "b", "c", "d"]
    assert who(result)[0] == "a"
    assert who(result)[-1] == "d"


async def test_a_graph_goes_on_from_its_saved_state() -> None:
    """A fresh graph that has loaded the state asks the interrupted branch, then the rest."""
    moment = Moment()
    team = fork(moment)
    await stopped(team, moment)
    other = fork(Moment(), waiting=())
    await other.load_state(await team.save_state())
    assert who(await go_on(other)) == ["c", "d"]


async def test_a_graph_that_has_ended_begins_anew() -> None:
    """Stopped after its last turn, or not at all, a graph runs from its start the next time."""
    async for team, _ in at_each_step(graph, every=4):
        if len(said(team)) == 4:
            assert len(who(await go_on(team, "again"))) == 4


async def test_a_conditional_edge_is_taken_once() -> None:
    """What a finished turn has decided is not decided again after a stop."""
    moment = Moment()
    a, b, c = speaker("a"), speaker("b", moment), speaker("c")
    builder = DiGraphBuilder().add_node(a).add_node(b).add_node(c)
    builder.add_edge(a, b, condition=lambda message: "a 0" in message.to_model_text())
    builder.add_edge(a, c, condition=lambda message: "a 1" in message.to_model_text())
    team = GraphFlow([a, b, c], graph=builder.build())
    assert who(await stopped(team, moment)) == ["a"]
    assert who(await go_on(team)) == ["b"]


# -- MagenticOne --------------------------------------------------------------------------------


class Orchestrating:
    """An orchestrator's model: asks each of the members once, then is satisfied."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.prompts: list[str] = []
        self.model = ScriptedModel(self._reply, user_first=False)

    def _reply(self, messages: Sequence[LLMMessage]) -> str:
        prompt = str(messages[-1].content)
        is_ledger = "is_request_satisfied" in prompt
        self.prompts.append("ledger" if is_ledger else prompt.split("\n", maxsplit=1)[0])
        if not is_ledger:
            return "So it is."
        heard = {getattr(message, "source", "") for message in messages}
        left = [name for name in self.names if name not in heard]
        answers: dict[str, Any] = {
            "is_request_satisfied": not left,
            "is_in_loop": False,
            "is_progress_being_made": True,
            "next_speaker": (left or self.names)[0],
            "instruction_or_question": f"Now {(left or self.names)[0]}.",
        }
        return json.dumps({key: {"reason": "So.", "answer": it} for key, it in answers.items()})


async def test_magentic_one_goes_on_by_its_next_step() -> None:
    """Without a task it asks neither for facts nor for a plan; its members keep what they know."""
    moment, orchestrating = Moment(), Orchestrating("ann", "bob")
    bob = speaker("bob", moment)
    team = MagenticOneGroupChat([speaker("ann"), bob], orchestrating.model)
    await stopped(team, moment)
    asked = len(orchestrating.prompts)
    result = await go_on(team)
    assert orchestrating.prompts[asked : asked + 2] == ["ledger", "ledger"]
    assert [message.source for message in result.messages][1] == "bob"
    # It was asked once more, and heard that once.
    texts = [str(message.content) for message in requests(bob)[-1]]
    assert sum("Now bob." in text for text in texts) == 1
    assert texts.count("ann 0") == 1
    assert stand_ins(team) == []


async def test_magentic_one_begins_with_the_facts_when_it_is_given_a_task() -> None:
    """With a task it begins anew, as after a run that ended."""
    moment, orchestrating = Moment(), Orchestrating("ann", "bob")
    team = MagenticOneGroupChat([speaker("ann"), speaker("bob", moment)], orchestrating.model)
    await stopped(team, moment)
    asked = len(orchestrating.prompts)
    await go_on(team, "again")
    assert orchestrating.prompts[asked] == orchestrating.prompts[0]
    assert orchestrating.prompts[asked] != "ledger"
    assert stand_ins(team) == []


@pytest.mark.parametrize("task", [None, "again"])
async def test_magentic_one_goes_on_from_every_step(task: str | None) -> None:
    """Wherever it is stopped, a run that follows comes to the end; with a task where it must."""

    def make() -> MagenticOneGroupChat:
        return MagenticOneGroupChat(
            [speaker("ann"), speaker("bob")], Orchestrating("ann", "bob").model
        )

    async for team, _ in at_each_step(make, every=5):
        has_ended = bool(thread(team)) and thread(team)[-1].to_text() == "So it is."
        result = await go_on(team, task if thread(team) and not has_ended else "again")
        assert result.messages
        assert stand_ins(team) == []


# -- a team within a team -----------------------------------------------------------------------


class Nested:
    """An inner team of ann and bob, of whom bob waits, and cleo around it.

    Args:
        moment: Where bob waits.
        max_turns: How many turns the inner team has; None where it ends as bob has spoken.
    """

    def __init__(self, moment: Moment | None = None, max_turns: int | None = 2) -> None:
        self.ann, self.bob = speaker("ann"), speaker("bob", moment)
        self.cleo = speaker("cleo")
        condition = SourceMatchTermination(["bob"]) if max_turns is None else None
        self.inner = RoundRobinGroupChat(
            [self.ann, self.bob],
            name="inner",
            max_turns=max_turns,
            termination_condition=condition,
        )
        self.team = RoundRobinGroupChat([self.inner, self.cleo], name="outer", max_turns=2)


async def test_a_nested_team_keeps_what_its_members_have_finished() -> None:
    """The inner team goes on with who was interrupted, without a task, and is not asked anew."""
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
    """Plain `team.run()` after the stop does the same."""
    moment = Moment()
    made = Nested(moment)
    await stopped(made.team, moment)
    assert contents(await made.team.run()) == ["bob 0", "cleo 0"]
    assert_settled(made.team)
    assert stand_ins(made.team) == []


async def test_a_new_task_is_heard_by_the_inner_team_that_goes_on() -> None:
    """The inner team goes on with the new task, and is not told the old one again."""
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
    """`reset()` after the stop: nothing goes on, both begin anew."""
    moment = Moment()
    made = Nested(moment)
    await stopped(made.team, moment)
    await made.team.reset()
    assert stand_ins(made.team) == []
    assert contents(await go_on(made.team, "again")) == ["again", "ann 0", "bob 0", "cleo 0"]


async def test_the_inner_team_can_be_run_by_itself() -> None:
    """The inner team is as good as any: given a task of its own, it runs."""
    moment = Moment()
    made = Nested(moment)
    await stopped(made.team, moment)
    result = await go_on(made.inner, "yours")
    assert len(result.messages) == 3
    assert result.messages[0].to_text() == "yours"


async def test_interrupted_once_more_before_it_goes_on() -> None:
    """A second stop, at each step of the run that goes on, costs nothing that was finished."""
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


@pytest.mark.parametrize("make", [pair, selector, swarm], ids=lambda make: make.__name__)
async def test_interrupted_once_more_in_any_team(make: Callable[[], BaseGroupChat]) -> None:
    """Two stops, each at any step: what is said in the end is what was to be said."""
    asyncio.get_running_loop().set_debug(False)
    whole = make()
    await whole.run(task="go")
    for first in range(5, 200, 17):
        for second in range(1, 200, 13):
            team = make()
            if await stop_at(team, first) is None:
                return
            begun = bool(thread(team))
            if await stop_at(team, second, task=None if begun else "go") is None:
                break
            await go_on(team, None if thread(team) else "go")
            shared = min(len(said(team)), len(said(whole)))
            assert said(team)[:shared] == said(whole)[:shared], (first, second)


async def test_a_society_goes_on_with_its_inner_team() -> None:
    """The inner team of a `SocietyOfMindAgent` goes on; its summary is of all that was said."""
    moment = Moment()
    inner = RoundRobinGroupChat([speaker("ann"), speaker("bob", moment)], name="inner", max_turns=2)
    model = ScriptedModel(lambda messages: f"{len(messages)} messages")
    society = SocietyOfMindAgent("society", inner, model)
    team = round_robin(society, speaker("cleo"))
    await stopped(team, moment)
    result = await go_on(team)
    assert [message.source for message in result.messages][-1] == "cleo"
    assert [str(message.content) for message in model.requests[-1]][1:3] == ["ann 0", "bob 0"]
    assert society._team is inner


async def test_three_deep() -> None:
    """The innermost team's member goes on; the teams around it wait for it, in order."""
    whole = nested()
    await whole.run(task="go")
    async for team, _ in at_each_step(nested, every=11):
        begun = bool(thread(team))
        await go_on(team, None if begun else "go")
        shared = min(len(said(team)), len(said(whole)))
        assert said(team)[:shared] == said(whole)[:shared]
        assert stand_ins(team) == []


# -- the stand-in for a team --------------------------------------------------------------------


class _Place:
    def __init__(self, team: Any) -> None:
        self.held: Any = ResumingTeam(team, self._put_back)
        self.team = team

    def _put_back(self) -> None:
        self.held = self.team


async def test_going_on_is_the_team_to_everybody() -> None:
    """Name, description, state and component of the stand-in are the team's."""
    team = round_robin(Agent("ann"), name="inner")
    await team.run(task="go")
    stand_in = _Place(team).held
    assert (stand_in.name, stand_in.description) == (team.name, team.description)
    assert await stand_in.save_state() == await team.save_state()
    assert behind(stand_in) is team
    assert behind(team) is team


async def test_going_on_without_anything_new_goes_on_without_a_task() -> None:
    """An empty task, which AutoGen refuses, is none."""
    team = round_robin(Agent("ann"), turns=1, name="inner")
    await team.run(task="go")
    place = _Place(team)
    result = await place.held.run(task=[])
    assert contents(result) == ["done"]
    assert place.held is team


@pytest.mark.parametrize("name", ["reset", "load_state"])
async def test_going_on_ends_with_a_reset_or_another_state(name: str) -> None:
    """A team that was reset, or has another state, has nothing to go on with."""
    team = round_robin(Agent("ann"), turns=1, name="inner")
    await team.run(task="go")
    place = _Place(team)
    state = await team.save_state()
    await (place.held.reset() if name == "reset" else place.held.load_state(state))
    assert place.held is team


# -- another state ------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [pair, selector, swarm, graph], ids=lambda make: make.__name__)
async def test_a_team_that_is_given_another_state_does_not_go_on(
    make: Callable[[], BaseGroupChat],
) -> None:
    """Who was interrupted in one conversation does not speak first in another."""
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
    """After DRAIN the next in turn speaks, for nobody was interrupted."""
    moment = Moment()
    team = round_robin(speaker("ann", moment), speaker("bob"))
    assert contents(await stopped(team, moment, Rung.DRAIN)) == ["go", "ann 0"]
    assert contents(await go_on(team)) == ["bob 0", "ann 1"]


async def test_agents_of_a_fresh_team_do_not_matter() -> None:
    """Agents whose models answer by the transcript say the same, whoever was stopped before."""
    whole = round_robin(agent("ann"), agent("bob"), turns=4)
    await whole.run(task="go")
    async for team, _ in at_each_step(
        lambda: round_robin(agent("ann"), agent("bob"), turns=4), every=9
    ):
        while len(said(team)) < 4:
            await go_on(team, None if thread(team) else "go")
        assert said(team)[:4] == said(whole)
