"""DRAIN: the turn that is being taken is finished and delivered, and no other one begins."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent, SocietyOfMindAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_core import SingleThreadedAgentRuntime
from autogen_core.models import LLMMessage

from supervisor import Ladder, Rung, Supervisor
from supervisor._signals.registry import Registry
from supervisor._signals.wakeup import WakeupFd
from supervisor.testing import ScriptedModel, answers_so_far, assert_settled, calls
from supervisor.testing._settled import said
from tests.agents import Agent, Failing
from tests.unit.autogen.checks import assert_all_put_back, contents
from tests.unit.autogen.stops import (
    REASON,
    Moment,
    Runnable,
    at_each_step,
    go_on,
    requests,
    speaker,
    stopped,
)
from tests.unit.testing.teams import (
    Backwards,
    agent,
    filtered,
    graph,
    kept,
    nested,
    pair,
    round_robin,
    selector,
    society,
    swarm,
)


def count(*agents: AssistantAgent) -> list[int]:
    """How many times the model of each was asked."""
    return [len(requests(each)) for each in agents]


class _Orchestrator:
    """A model that asks ann again and again."""

    def __init__(self) -> None:
        self.asked = 0
        self.model = ScriptedModel(self._reply, user_first=False)

    def _reply(self, messages: Sequence[LLMMessage]) -> str:
        self.asked += 1
        answers: dict[str, Any] = {
            "is_request_satisfied": False,
            "is_in_loop": False,
            "is_progress_being_made": True,
            "next_speaker": "ann",
            "instruction_or_question": f"Go on {self.asked}.",
        }
        return json.dumps({key: {"reason": "So.", "answer": it} for key, it in answers.items()})


def _teams() -> dict[str, Callable[[AssistantAgent, AssistantAgent], BaseGroupChat]]:
    def select(messages: Sequence[LLMMessage]) -> str:
        text = str(messages[0].content)
        return "bob" if "ann: ann 0" in text else "ann"

    def by_graph(ann: AssistantAgent, bob: AssistantAgent) -> GraphFlow:
        builder = DiGraphBuilder().add_node(ann).add_node(bob).add_edge(ann, bob)
        return GraphFlow([ann, bob], graph=builder.build())

    return {
        "round robin": lambda ann, bob: RoundRobinGroupChat([ann, bob], max_turns=2),
        "selector": lambda ann, bob: SelectorGroupChat([ann, bob], ScriptedModel(select)),
        "swarm": lambda ann, bob: Swarm([ann, bob], max_turns=2),
        "graph": by_graph,
        "magentic": lambda ann, bob: MagenticOneGroupChat([ann, bob], _Orchestrator().model),
        "backwards": lambda ann, bob: Backwards([bob, ann], 2),
        "nested": lambda ann, bob: round_robin(
            round_robin(ann, bob, name="inner"), Agent("other"), name="outer"
        ),
        "three deep": lambda ann, bob: round_robin(
            round_robin(round_robin(ann, bob, name="third"), Agent("other"), name="second"),
            Agent("another"),
            name="first",
        ),
    }


# -- the turn is finished -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(_teams()))
async def test_the_turn_is_finished_and_no_other_begins(kind: str) -> None:
    """In each class of teams ann's answer is delivered, and nobody is asked after her."""
    moment = Moment()
    ann, bob = speaker("ann", moment), speaker("bob")
    team = _teams()[kind](ann, bob)
    result = await stopped(team, moment, Rung.DRAIN)
    assert contents(result)[-1] == "ann 0"
    assert said(team)[-1] == ("ann", "ann 0")
    assert count(ann, bob) == [1, 0]


@pytest.mark.parametrize("kind", list(_teams()))
async def test_the_finished_turn_is_among_the_events(kind: str) -> None:
    """A reader sees the last turn's messages before the result, which comes last."""
    moment = Moment()
    team = _teams()[kind](speaker("ann", moment), speaker("bob"))
    events: list[Any] = []

    async def read() -> None:
        events.extend([event async for event in sup.stream(team, "go")])

    async with Supervisor(signals={}) as sup:
        reading = asyncio.create_task(read())
        await moment.is_there.wait()
        sup.stop(REASON, Rung.DRAIN)
        moment.let_go.set()
        await reading
    *messages, result = events
    assert isinstance(result, TaskResult)
    assert result.stop_reason == REASON
    assert messages[-1].to_text() == "ann 0"
    chat = [message for message in messages if isinstance(message, BaseChatMessage)]
    assert [m.id for m in chat] == [m.id for m in result.messages if isinstance(m, BaseChatMessage)]
    assert_settled(team)
    assert_all_put_back()


async def test_magentic_one_asks_no_orchestrator_after_the_turn() -> None:
    """The model of MagenticOne's orchestrator is not asked for the next step."""
    moment, orchestrator = Moment(), _Orchestrator()
    ann = speaker("ann", moment)
    team = MagenticOneGroupChat([ann, speaker("bob")], orchestrator.model)
    await stopped(team, moment, Rung.DRAIN)
    assert orchestrator.asked == 3  # for the facts, the plan, and whom to ask
    assert count(ann) == [1]


async def test_all_of_a_turn_is_finished() -> None:
    """A turn of several requests and tool calls is one turn."""
    moment, called = Moment(), list[str]()

    async def look_up() -> str:
        """Look it up."""
        called.append("look_up")
        await moment.wait()
        return "found"

    ann = AssistantAgent(
        "ann",
        ScriptedModel([calls("look_up"), calls("look_up"), "all"]),
        tools=[look_up],
        max_tool_iterations=3,
    )
    bob = speaker("bob")
    team = round_robin(ann, bob)
    result = await stopped(team, moment, Rung.DRAIN)
    assert contents(result) == ["go", "all"]
    assert called == ["look_up", "look_up"]
    assert count(bob) == [0]


@pytest.mark.parametrize("waiting", [("b",), ("c",), ("b", "c")])
async def test_both_branches_of_a_graph_finish(waiting: tuple[str, ...]) -> None:
    """Parallel branches are parallel turns: DRAIN waits for all, and begins none behind them."""
    moment = Moment()
    nodes = {name: speaker(name, moment if name in waiting else None) for name in "abcd"}
    a, b, c, d = nodes.values()
    builder = DiGraphBuilder()
    for each in nodes.values():
        builder.add_node(each)
    builder.add_edge(a, b).add_edge(a, c).add_edge(b, d).add_edge(c, d)
    team = GraphFlow([a, b, c, d], graph=builder.build())
    result = await stopped(team, moment, Rung.DRAIN)
    assert sorted(contents(result)[1:]) == ["a 0", "b 0", "c 0"]
    assert count(a, b, c, d) == [1, 1, 1, 0]
    assert contents(await go_on(team)) == ["d 0"]


async def test_a_branch_behind_another_one_does_not_begin() -> None:
    """One branch finishes while the other is still at its turn: what follows it waits."""
    moment = Moment()
    a, b, c, d = speaker("a"), speaker("b"), speaker("c", moment), speaker("d")
    builder = DiGraphBuilder().add_node(a).add_node(b).add_node(c).add_node(d)
    builder.add_edge(a, b).add_edge(a, c).add_edge(b, d)
    team = GraphFlow([a, b, c, d], graph=builder.build())
    result = await stopped(team, moment, Rung.DRAIN)
    assert sorted(contents(result)[1:]) == ["a 0", "b 0", "c 0"]
    assert count(d) == [0]
    assert contents(await go_on(team)) == ["d 0"]


# -- one within another -------------------------------------------------------------------------


async def test_the_innermost_turn_is_finished_and_its_team_goes_on() -> None:
    """The enclosing turn counts as interrupted: the inner team goes on, without a new task."""
    moment = Moment()
    ann, bob, cleo = speaker("ann", moment), speaker("bob"), speaker("cleo")
    team = round_robin(round_robin(ann, bob, name="inner"), cleo, name="outer")
    await stopped(team, moment, Rung.DRAIN)
    assert contents(await go_on(team)) == ["bob 0", "cleo 0"]
    assert count(ann, bob, cleo) == [1, 1, 1]


async def test_the_inner_team_s_last_turn_ends_the_enclosing_one() -> None:
    """Where the innermost turn was the inner team's last, the next run asks who comes after it."""
    moment = Moment()
    ann, bob, cleo = speaker("ann"), speaker("bob", moment), speaker("cleo")
    team = round_robin(round_robin(ann, bob, name="inner"), cleo, name="outer")
    result = await stopped(team, moment, Rung.DRAIN)
    assert contents(result) == ["go", "ann 0", "bob 0"]
    assert count(ann, bob, cleo) == [1, 1, 0]
    assert contents(await go_on(team))[0] == "cleo 0"


async def test_a_society_s_inner_turn_is_finished() -> None:
    """A `SocietyOfMindAgent` is at its turn as long as its team is: a member's turn is finished."""
    moment = Moment()
    ann, bob, cleo = speaker("ann", moment), speaker("bob"), speaker("cleo")
    model = ScriptedModel(lambda messages: "in short")
    inner = round_robin(ann, bob, name="inner")
    team = round_robin(SocietyOfMindAgent("society", inner, model), cleo)
    result = await stopped(team, moment, Rung.DRAIN)
    assert count(ann, bob, cleo) == [1, 0, 0]
    assert model.requests == []
    assert contents(result) == ["go", "ann 0"]
    assert contents(await go_on(team))[-2:] == ["in short", "cleo 0"]
    assert count(ann, bob, cleo) == [1, 1, 1]


def asking(tool: TeamTool | AgentTool) -> AssistantAgent:
    """An agent that asks what is behind the tool, and then answers."""

    def reply(messages: Sequence[LLMMessage]) -> Any:
        is_first = answers_so_far(messages) == 0
        return calls((tool.name, {"task": "a question"})) if is_first else "asked"

    return AssistantAgent("asker", ScriptedModel(reply), tools=[tool], reflect_on_tool_use=True)


async def test_of_a_team_behind_a_tool_a_turn_is_finished() -> None:
    """With a team as a tool, the turn of its member is finished; the call counts as interrupted."""
    moment = Moment()
    ann, bob, cleo = speaker("ann", moment), speaker("bob"), speaker("cleo")
    asker = asking(TeamTool(round_robin(ann, bob, name="inner"), "ask", "Ask."))
    team = round_robin(asker, cleo)
    await stopped(team, moment, Rung.DRAIN)
    assert count(ann, bob, cleo) == [1, 0, 0]
    await go_on(team)
    assert [text for _, text in said(team)] == ["asked", "cleo 0"]
    assert count(ann, bob) == [1, 0]


async def test_with_an_agent_behind_a_tool_the_turn_is_the_asker_s() -> None:
    """An agent as a tool is a tool: the turn of the agent that has called it is finished."""
    moment = Moment()
    ann, cleo = speaker("ann", moment), speaker("cleo")
    result = await stopped(team := round_robin(asking(AgentTool(ann)), cleo), moment, Rung.DRAIN)
    assert contents(result)[-1] == "asked"
    assert count(ann, cleo) == [1, 0]
    assert contents(await go_on(team))[0] == "cleo 0"


async def test_a_single_agent_finishes_its_answer() -> None:
    """An agent that is run by itself is one turn."""
    moment = Moment()
    ann = speaker("ann", moment)
    assert contents(await stopped(ann, moment, Rung.DRAIN)) == ["go", "ann 0"]
    assert contents(await go_on(ann, "again")) == ["again", "ann 1"]


# -- between turns ------------------------------------------------------------------------------


async def test_between_turns_it_ends_at_once() -> None:
    """While a model is being asked who speaks next nobody's turn is taken; it is cancelled."""
    is_asked, cancelled = asyncio.Event(), list[int]()

    async def select(messages: Sequence[LLMMessage]) -> str:
        if is_asked.is_set():
            return "ann"
        is_asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise
        raise AssertionError

    ann, bob = speaker("ann"), speaker("bob")
    team = SelectorGroupChat([ann, bob], ScriptedModel(select), max_turns=1)
    async with Supervisor(signals={}, ladder=Ladder(drain=15)) as sup:
        running = asyncio.create_task(sup.stream(team, "go"))
        await is_asked.wait()
        before = asyncio.get_running_loop().time()
        sup.stop(REASON, Rung.DRAIN)
        result = await running
        assert asyncio.get_running_loop().time() - before < 1
    assert contents(result) == ["go"]
    assert cancelled == [1]
    assert_settled(team)
    assert contents(await go_on(team)) == ["ann 0"]
    assert count(ann, bob) == [1, 0]


DRAINED: dict[str, tuple[Callable[[], Runnable], int]] = {
    "agent": (lambda: agent("ann", streams=True), 1),
    "pair": (pair, 2),
    "selector": (selector, 3),
    "swarm": (swarm, 7),
    "graph": (graph, 7),
    "society": (society, 13),
    "filtered": (filtered, 5),
    "kept": (kept, 3),
    "nested": (nested, 17),
}


@pytest.mark.parametrize("kind", list(DRAINED))
async def test_at_each_step_all_that_was_finished_is_delivered(kind: str) -> None:
    """Wherever DRAIN comes, the result holds what the team holds, and nothing is undone."""
    make, every = DRAINED[kind]
    async for team, result in at_each_step(make, rung=Rung.DRAIN, every=every):
        held = [m.to_text() for m in result.messages if isinstance(m, BaseChatMessage)]
        for name, text in said(team):
            assert text in held, (name, text)


@pytest.mark.parametrize("kind", ["pair", "selector", "graph", "nested"])
async def test_at_each_step_no_model_is_asked_for_a_further_turn(kind: str) -> None:
    """Wherever DRAIN comes, each request of a member's model became an answer."""
    make, every = DRAINED[kind]
    async for team, _ in at_each_step(make, rung=Rung.DRAIN, every=every):
        asked = sum(len(requests(each)) for each in _members(team))
        assert asked == len(said(team))


def _members(team: Any) -> list[AssistantAgent]:
    found: list[AssistantAgent] = []
    for member in team._participants:
        found += _members(member) if isinstance(member, BaseGroupChat) else [member]
    return found


# -- afterwards ---------------------------------------------------------------------------------


def _own(team: BaseGroupChat) -> dict[str, Any]:
    """What is in the live manager: its condition, and methods that were replaced."""
    assert isinstance(team._runtime, SingleThreadedAgentRuntime)
    agents = team._runtime._instantiated_agents.values()
    found: list[dict[str, Any]] = [vars(a) for a in agents if hasattr(a, "_message_thread")]
    replaced = [name for name in found[0] if hasattr(BaseGroupChatManager, name)]
    return {"condition": found[0]["_termination_condition"], "replaced": replaced}


@pytest.mark.parametrize("kind", list(_teams()))
async def test_nothing_of_ours_is_left_in_the_manager(kind: str) -> None:
    """After DRAIN the manager has its own condition; after the next run nothing but its own."""
    moment = Moment()
    team = _teams()[kind](speaker("ann", moment), speaker("bob"))
    condition = team._termination_condition
    await stopped(team, moment, Rung.DRAIN)
    assert _own(team)["condition"] is condition
    async with Supervisor(signals={}) as sup:
        task = "again" if kind == "magentic" else None
        run = sup.stream(team, task)
        async for event in run:
            if isinstance(event, BaseChatMessage) and event.source == "bob":
                break
            if isinstance(event, TaskResult) or kind == "magentic":
                break
    assert _own(team)["condition"] is condition


async def test_after_an_error_in_drain_nothing_is_left() -> None:
    """An agent that raises as it finishes its turn: the error comes out, its team is as new."""
    moment = Moment()

    class Late(Failing):
        fails = True

        async def work(self, token: Any) -> None:
            await moment.wait()
            if self.fails:
                await super().work(token)

    late = Late("late")
    team = round_robin(late, speaker("bob"))
    async with Supervisor(signals={}) as sup:
        running = asyncio.create_task(sup.stream(team, "go"))
        await moment.is_there.wait()
        sup.stop(REASON, Rung.DRAIN)
        moment.let_go.set()
        with pytest.raises(RuntimeError, match="the agent's own"):
            await running
    assert_settled(team)
    assert_all_put_back()
    assert _own(team)["condition"] is None
    late.fails = False
    result = await go_on(team)
    assert [message.source for message in result.messages] == ["late", "bob"]
    assert _own(team)["replaced"] == []


async def test_after_an_error_a_new_task_is_selected_for() -> None:
    """After an error in DRAIN a selector's model is asked for the new task, and once for each."""
    moment, asked = Moment(), list[int]()

    def select(messages: Sequence[LLMMessage]) -> str:
        asked.append(1)
        return "ann" if len(asked) == 1 else "bob"

    async def fail(messages: Sequence[LLMMessage]) -> str:
        await moment.wait()
        raise LookupError("the model's own")

    ann = AssistantAgent("ann", ScriptedModel(fail))
    team = SelectorGroupChat([ann, speaker("bob")], ScriptedModel(select), max_turns=1)
    async with Supervisor(signals={}) as sup:
        running = asyncio.create_task(sup.stream(team, "go"))
        await moment.is_there.wait()
        sup.stop(REASON, Rung.DRAIN)
        moment.let_go.set()
        with pytest.raises(RuntimeError, match="the model's own"):
            await running
    assert contents(await go_on(team, "again")) == ["again", "bob 0"]
    assert len(asked) == 2
    assert _own(team)["replaced"] == []


async def test_drained_without_an_end_it_is_cancelled() -> None:
    """A turn that does not end in DRAIN's seconds is cancelled, and taken back."""
    moment = Moment()
    team = round_robin(speaker("ann", moment), speaker("bob"))
    async with Supervisor(signals={}, ladder=Ladder(drain=0.05)) as sup:
        running = asyncio.create_task(sup.stream(team, "go"))
        await moment.is_there.wait()
        sup.stop(REASON, Rung.DRAIN)
        result = await running
    assert contents(result) == ["go"]
    assert_settled(team)
    assert contents(await go_on(team)) == ["ann 0", "bob 0"]


async def test_a_condition_that_ends_the_team_in_drain() -> None:
    """Where the drained turn is the team's last by itself, the reason is the team's own."""
    moment = Moment()
    team = RoundRobinGroupChat([speaker("ann", moment)], max_turns=1)
    async with Supervisor(signals={}) as sup:
        running = asyncio.create_task(sup.stream(team, "go"))
        await moment.is_there.wait()
        sup.stop(REASON, Rung.DRAIN)
        moment.let_go.set()
        result = await running
    assert contents(result) == ["go", "ann 0"]
    assert result.stop_reason == "Maximum number of turns 1 reached."


@pytest.mark.parametrize("is_inner", [False, True], ids=["outer", "inner"])
@pytest.mark.parametrize("holds_at", [(WakeupFd, "read"), (Registry, "tell_guard")])
async def test_no_turn_begins_while_the_watchdog_holds_a_signal(
    monkeypatch: pytest.MonkeyPatch, *, holds_at: tuple[type, str], is_inner: bool
) -> None:
    """It has read the number, and gets the interpreter too late to tell before the next turn."""
    original: Callable[[Any], Any] = getattr(*holds_at)
    holds = threading.Event()

    def hold(self: object) -> Any:
        result = original(self)
        if threading.current_thread() is not threading.main_thread():
            holds.set()
            time.sleep(0.2)
        return result

    def raise_signal(_messages: Sequence[LLMMessage]) -> str:
        holds.clear()
        signal.raise_signal(signal.SIGUSR1)
        assert holds.wait(5)
        return "ann 0"

    ann, bob = AssistantAgent("ann", ScriptedModel(raise_signal)), agent("bob")
    team, results = RoundRobinGroupChat([ann, bob], max_turns=2), list[TaskResult]()
    async with Supervisor(signals={"SIGUSR1": "DRAIN"}) as outer:
        monkeypatch.setattr(*holds_at, hold)
        if is_inner:
            async with Supervisor(signals={}) as inner:
                results.append(await inner.stream(team, "go"))
        else:
            results.append(await outer.stream(team, "go"))
        await asyncio.sleep(0.01)  # the body may go on with its result
        results *= 2
    assert count(ann, bob) == [1, 0]
    assert [result.stop_reason for result in results] == ["Stopped by SIGUSR1"] * 2
