"""The next speakers after a stop: the interrupted ones, in each class of teams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_core import CancellationToken
from autogen_core.models import LLMMessage

from supervisor._autogen.upstream.snapshot import thread
from supervisor.testing import ScriptedAgent, ScriptedModel, answers_so_far, calls
from supervisor.testing._settled import said
from tests.unit.autogen.checks import stand_ins, who
from tests.unit.autogen.stops import Moment, at_each_step, go_on, requests, speaker, stopped
from tests.unit.testing.teams import Backwards, graph, round_robin

pytestmark = pytest.mark.one_loop


@pytest.mark.parametrize("task", [None, "again"])
async def test_round_robin_asks_the_interrupted_member(task: str | None) -> None:
    """The interrupted second speaker is asked first; all members hear a new task."""
    moment = Moment()
    team = round_robin(speaker("ann"), speaker("bob", moment), speaker("cleo"), turns=3)
    await stopped(team, moment)
    assert who(await go_on(team, task)) == ["bob", "cleo", "ann"]
    assert stand_ins(team) == []


async def test_a_user_s_manager_asks_the_interrupted_member() -> None:
    """With a user's manager, however it selects, the interrupted member is asked again."""
    moment = Moment()
    team = Backwards([speaker("ann"), speaker("bob"), speaker("cleo", moment)], 3)
    await stopped(team, moment)
    assert who(await go_on(team)) == ["cleo", "bob", "ann"]


class Selecting:
    """A selector's model that names ann, bob and cleo by turns, and waits in one answer."""

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


async def test_the_selector_s_model_is_not_asked_before_the_interrupted_member() -> None:
    """Without a new task the interrupted member speaks, and then the model selects as before."""
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
    """With a new task the model selects, for the task may be for another member."""
    moment, selecting = Moment(), Selecting("ann", "cleo", "bob")
    members: list[Any] = [speaker("ann", moment), speaker("bob"), speaker("cleo")]
    team = SelectorGroupChat(members, selecting.model, max_turns=2)
    await stopped(team, moment)
    assert who(await go_on(team, "again")) == ["cleo", "bob"]
    assert selecting.asked == 3
    assert stand_ins(team) == []


async def test_an_interrupted_selection_is_made_again() -> None:
    """If the stop comes during a selection, the model is asked again as it was before."""
    selecting = Selecting("ann", "bob", at=0)
    members: list[Any] = [speaker("ann"), speaker("bob"), speaker("cleo")]
    team = SelectorGroupChat(members, selecting.model, max_turns=2)
    await stopped(team, selecting.moment)
    assert who(await go_on(team)) == ["ann", "bob"]
    assert selecting.asked == 3


async def test_a_selector_function_is_not_asked_before_the_interrupted_member() -> None:
    """A function that selects is asked after the interrupted member has spoken."""
    moment, threads = Moment(), list[int]()

    def select(messages: Sequence[Any]) -> str:
        threads.append(len(messages))
        return "bob" if len(threads) == 1 else "ann"

    members: list[Any] = [speaker("ann"), speaker("bob", moment)]
    team = SelectorGroupChat(members, ScriptedModel([]), max_turns=2, selector_func=select)
    await stopped(team, moment)
    assert who(await go_on(team)) == ["bob", "ann"]
    assert threads == [1, 2]


async def test_swarm_asks_the_member_that_was_handed_to() -> None:
    """The interrupted agent that was handed to speaks next, and knows of the handoff."""
    moment = Moment()
    model = ScriptedModel(lambda messages: calls("transfer_to_bob"))
    ann, bob = AssistantAgent("ann", model, handoffs=["bob"]), speaker("bob", moment)
    team = Swarm([ann, bob], max_turns=2)
    await stopped(team, moment)
    result = await go_on(team)
    assert who(result) == ["bob", "bob"]
    texts = [message.content for message in requests(bob)[-1]]
    assert any("bob" in str(text) for text in texts)


def fork(moment: Moment, *, waiting: Sequence[str] = ("c",)) -> GraphFlow:
    """Make a graph of a, then b and c in parallel, then d; c waits once b was heard."""

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
    """Of two parallel branches the unanswered one is asked, and then the one behind both."""
    moment = Moment()
    team = fork(moment)
    assert who(await stopped(team, moment)) == ["a", "b"]
    assert who(await go_on(team)) == ["c", "d"]
    assert stand_ins(team) == []


async def test_a_graph_asks_all_branches_that_were_interrupted() -> None:
    """If neither of two parallel branches has answered, both are asked, in their order."""
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
    """A graph that has come to its end begins at its start the next time, stopped or not."""
    async for team, _ in at_each_step(graph, every=4):
        if len(said(team)) == 4:
            assert len(who(await go_on(team, "again"))) == 4


async def test_a_conditional_edge_is_taken_once() -> None:
    """A finished turn's choice of an edge is not made again after a stop."""
    moment = Moment()
    a, b, c = speaker("a"), speaker("b", moment), speaker("c")
    builder = DiGraphBuilder().add_node(a).add_node(b).add_node(c)
    builder.add_edge(a, b, condition=lambda message: "a 0" in message.to_model_text())
    builder.add_edge(a, c, condition=lambda message: "a 1" in message.to_model_text())
    team = GraphFlow([a, b, c], graph=builder.build())
    assert who(await stopped(team, moment)) == ["a"]
    assert who(await go_on(team)) == ["b"]


class Orchestrating:
    """An orchestrator's model that asks each of the members once, and then is satisfied.

    Args:
        names: The members.
        stalls_at: The number of the ledger, from 1, that finds the team in a loop.
    """

    def __init__(self, *names: str, stalls_at: int | None = None) -> None:
        self.names = names
        self.stalls_at = stalls_at
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
            "is_in_loop": self.prompts.count("ledger") == self.stalls_at,
            "is_progress_being_made": True,
            "next_speaker": (left or self.names)[0],
            "instruction_or_question": f"Now {(left or self.names)[0]}.",
        }
        return json.dumps({key: {"reason": "So.", "answer": it} for key, it in answers.items()})


async def test_magentic_one_goes_on_by_its_next_step() -> None:
    """Without a task MagenticOne asks for no facts and no plan; its members keep their memory."""
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
    """With a task MagenticOne begins anew, as after a run that ended."""
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
    """From each step of a stop the next run comes to its end; with a task where it needs one."""

    def make() -> MagenticOneGroupChat:
        return MagenticOneGroupChat(
            [speaker("ann"), speaker("bob")], Orchestrating("ann", "bob").model
        )

    async for team, _ in at_each_step(make, every=5):
        has_ended = bool(thread(team)) and thread(team)[-1].to_text() == "So it is."
        result = await go_on(team, task if thread(team) and not has_ended else "again")
        assert result.messages
        assert stand_ins(team) == []


async def test_magentic_one_goes_on_with_a_new_plan_that_it_was_making() -> None:
    """All members forget the old plan, and the orchestrator asks for no facts again."""
    moment = Moment()

    class Forgetting(ScriptedAgent):
        resets = 0

        async def on_reset(self, cancellation_token: CancellationToken) -> None:
            self.resets += 1
            if self.resets == 2:  # the first is that of the first plan
                await moment.wait()
            await super().on_reset(cancellation_token)

    orchestrating = Orchestrating("ann", "bob", stalls_at=2)
    ann, bob = Forgetting("ann", ["ann 0"]), Forgetting("bob", ["bob 0"])
    team = MagenticOneGroupChat([ann, bob], orchestrating.model, max_stalls=1)
    await stopped(team, moment)
    asked, forgotten = len(orchestrating.prompts), bob.resets
    result = await go_on(team)
    assert orchestrating.prompts[asked : asked + 3] == ["ledger"] * 3
    assert bob.resets == forgotten + 1
    assert [m.source for m in result.messages if m.source in ("ann", "bob")] == ["ann", "bob"]
    assert stand_ins(team) == []
