"""A condition hears a turn that was interrupted as one that was not: whole, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TerminationCondition
from autogen_agentchat.conditions import (
    FunctionalTermination,
    FunctionCallTermination,
    MaxMessageTermination,
    TextMentionTermination,
)
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, StopMessage
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    RoundRobinGroupChat,
    SelectorGroupChat,
)
from autogen_agentchat.teams._group_chat._round_robin_group_chat import RoundRobinGroupChatManager
from autogen_core.models import FunctionExecutionResultMessage, LLMMessage

from supervisor._autogen.checkpoints.restore import restore
from supervisor._autogen.upstream.snapshot import thread
from supervisor.testing import Said, ScriptedModel, answers_so_far, calls
from supervisor.testing._settled import said
from tests.unit.autogen.checkpoints.keeping import run_kept
from tests.unit.autogen.checks import contents
from tests.unit.autogen.stops import Moment, at_each_step, go_on, speaker, stop_at, stopped
from tests.unit.testing.teams import round_robin

pytestmark = pytest.mark.one_loop

Item = BaseAgentEvent | BaseChatMessage
Make = Callable[[], TerminationCondition]


class Once(TerminationCondition):
    """Ends no team; fails where it is asked about a message twice."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.twice: list[str] = []

    @property
    def terminated(self) -> bool:
        """Never."""
        return False

    async def __call__(self, messages: Sequence[Item]) -> StopMessage | None:
        """Note the messages."""
        self.twice.extend(item.to_text() for item in messages if item.id in self.asked)
        self.asked.extend(item.id for item in messages)
        return None

    async def reset(self) -> None:
        """Begin anew."""
        self.asked.clear()


def _has_both(messages: Sequence[Item]) -> bool:
    texts = [message.to_text() for message in messages]
    return "ann 0" in texts and "bob 0" in texts


CONDITIONS: dict[str, Make] = {
    "a word": lambda: TextMentionTermination("ann 0"),
    "a number": lambda: MaxMessageTermination(3),
    "both": lambda: TextMentionTermination("ann 0") & TextMentionTermination("bob 0"),
    "one delta": lambda: FunctionalTermination(_has_both),
}
"""Each ends the middle team with the first turn of its member, and not before."""


def _chain(ann: Any, bob: Any) -> BaseGroupChat:
    graph = DiGraphBuilder().add_node(ann).add_node(bob).add_edge(ann, bob).build()
    return GraphFlow([ann, bob], graph=graph, name="third")


def _chosen(*members: Any, name: str, **options: Any) -> BaseGroupChat:
    def select(said: Sequence[Item]) -> str:
        return str(members[len(said) > 1].name)

    return SelectorGroupChat(
        list(members), ScriptedModel([]), name=name, selector_func=select, **options
    )


class _OwnManager(RoundRobinGroupChatManager):
    async def select_speaker(self, thread: Sequence[Item]) -> str:
        self._next_speaker_index += 1
        return str(self._participant_names[(self._next_speaker_index - 1) % 2])


class _Own(RoundRobinGroupChat):
    """A team class of a user's own."""

    def _create_group_chat_manager_factory(
        self, *_: Any, **given: Any
    ) -> Callable[[], RoundRobinGroupChatManager]:
        return lambda: _OwnManager(**given, emit_team_events=False)


INNER: dict[str, Callable[[Any, Any], BaseGroupChat]] = {
    "round robin": lambda ann, bob: round_robin(ann, bob, name="third"),
    "selector": lambda ann, bob: _chosen(ann, bob, name="third", max_turns=2),
    "graph": _chain,
}
MIDDLE: dict[str, Callable[..., BaseGroupChat]] = {
    "round robin": lambda *members, **options: RoundRobinGroupChat(
        list(members), name="second", **options
    ),
    "selector": lambda *members, **options: _chosen(*members, name="second", **options),
    "own": lambda *members, **options: _Own(list(members), name="second", **options),
}
"""The classes whose members may be teams: the others take agents alone."""


WHOLE = ["ann 0", "bob 0", "dan 0"]


class Three:
    """A team of ann and bob, in a team with cleo, in a team with dan.

    Args:
        inner: The class of the innermost.
        middle: That of the one around it, which ends by the condition.
        condition: Which.
        moment: Where bob waits.
    """

    def __init__(
        self,
        inner: str = "round robin",
        middle: str = "round robin",
        condition: str = "a word",
        moment: Moment | None = None,
    ) -> None:
        self.once = Once()
        third = INNER[inner](speaker("ann"), speaker("bob", moment))
        ends = CONDITIONS[condition]() | self.once
        second = MIDDLE[middle](third, speaker("cleo"), termination_condition=ends, max_turns=3)
        self.team = round_robin(second, speaker("dan"), name="first")


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("middle", MIDDLE)
async def test_the_condition_ends_its_team_with_the_interrupted_turn(
    middle: str, condition: str
) -> None:
    """Stopped in mid-turn, the middle team ends where it would have, with the whole turn."""
    moment = Moment()
    made = Three("round robin", middle, condition, moment)
    await stopped(made.team, moment)
    assert contents(await go_on(made.team)) == ["bob 0", "dan 0"]
    assert made.once.twice == []


_SOAK = [
    pytest.param(inner, middle, condition, 3, marks=pytest.mark.soak)
    for inner in INNER
    for middle in MIDDLE
    for condition in CONDITIONS
]


@pytest.mark.parametrize(
    ("inner", "middle", "condition", "every"), [("graph", "selector", "one delta", 11), *_SOAK]
)
async def test_at_each_step_it_ends_as_if_there_had_been_no_stop(
    inner: str, middle: str, condition: str, every: int
) -> None:
    """Wherever the stop comes, the team says what it says in a run without one."""
    whole = Three(inner, middle, condition)
    await whole.team.run(task="go")
    assert [text for _, text in said(whole.team)] == WHOLE
    made: list[Three] = []

    def make() -> BaseGroupChat:
        made.append(Three(inner, middle, condition))
        return made[-1].team

    async for team, _ in at_each_step(make, every=every):
        await go_on(team, None if thread(team) else "go")
        assert said(team)[:3] == said(whole.team)
        assert made[-1].once.twice == []


class Paying:
    """A team of ann, who pays twice and answers, and of bob, in a team with dan.

    Args:
        condition: What ends the inner team.
    """

    def __init__(self, condition: TerminationCondition) -> None:
        def reply(messages: Sequence[LLMMessage]) -> Said:
            paid = sum(isinstance(it, FunctionExecutionResultMessage) for it in messages)
            return calls("pay") if paid < 2 else f"ann {answers_so_far(messages)}"

        async def pay() -> str:
            """Pay."""
            await asyncio.sleep(0)
            return "paid"

        self.once = Once()
        ann = AssistantAgent(
            "ann",
            ScriptedModel(reply),
            tools=[pay],
            max_tool_iterations=3,
            reflect_on_tool_use=False,
        )
        inner = RoundRobinGroupChat(
            [ann, speaker("bob")],
            name="inner",
            termination_condition=condition | self.once,
            max_turns=2,
        )
        self.team = round_robin(inner, speaker("dan"))


@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    "make",
    [
        lambda: FunctionCallTermination("pay"),
        lambda: MaxMessageTermination(6, include_agent_event=True),
    ],
    ids=["a call", "a number"],
)
async def test_the_condition_hears_the_calls_of_a_turn_that_was_kept(
    make: Make, every: int
) -> None:
    """Wherever the stop comes, it ends the inner team with the answer that follows the calls."""
    made: list[Paying] = []

    def again() -> BaseGroupChat:
        made.append(Paying(make()))
        return made[-1].team

    await again().run(task="go")
    whole = [text for _, text in said(made[-1].team) if text in ("ann 2", "bob 0", "dan 0")]
    assert whole == ["ann 2", "dan 0"]
    async for team, _ in at_each_step(again, every=every):
        await go_on(team, None if thread(team) else "go")
        texts = [text for _, text in said(team) if text in ("ann 2", "bob 0", "dan 0")]
        assert texts[:2] == whole
        assert made[-1].once.twice == []


async def test_without_a_supervisor() -> None:
    """The plain run that follows a stop ends as the undisturbed one."""
    moment = Moment()
    made = Three(moment=moment)
    await stopped(made.team, moment)
    assert contents(await made.team.run()) == ["bob 0", "dan 0"]


async def test_stopped_once_more() -> None:
    """A second stop, at some steps of the resumed run, changes nothing of that."""
    asyncio.get_running_loop().set_debug(False)
    for step in range(1, 400, 17):
        moment = Moment()
        made = Three(moment=moment)
        await stopped(made.team, moment)
        if await stop_at(made.team, step, task=None) is None:
            break
        await go_on(made.team)
        assert [text for _, text in said(made.team)][:3] == ["ann 0", "bob 0", "dan 0"]
        assert made.once.twice == []
    else:
        pytest.fail("the run has more than 400 steps")


async def test_a_new_task_begins_a_new_count() -> None:
    """With a new task the condition counts from there on, as AutoGen's does."""
    moment = Moment()
    made = Three(moment=moment)
    await stopped(made.team, moment)
    texts = contents(await go_on(made.team, "again"))
    assert texts[:3] == ["again", "bob 0", "ann 1"]
    assert "cleo 0" in texts


@pytest.mark.parametrize("condition", CONDITIONS)
async def test_a_run_that_is_killed_and_goes_on_ends_as_the_whole_one(condition: str) -> None:
    """From each snapshot, a fresh team says what is left and ends there."""
    whole = await run_kept(Three(condition=condition).team, "go")
    for stored in whole.after_steps:
        made = Three(condition=condition)
        found = await run_kept(made.team, "go", stored=stored)
        assert contents(found.result) == contents(whole.result)
        assert made.once.twice == []


@pytest.mark.parametrize("condition", CONDITIONS)
async def test_a_run_that_is_stopped_and_then_killed_ends_as_the_whole_one(condition: str) -> None:
    """A snapshot of the run that resumes a stopped one has what was said before the stop."""
    moment = Moment()
    made = Three(condition=condition, moment=moment)
    await stopped(made.team, moment)
    whole = await run_kept(made.team, None)
    assert contents(whole.result) == WHOLE[1:]
    for stored in whole.after_steps:
        fresh = Three(condition=condition)
        await run_kept(fresh.team, None, stored=stored)
        assert [text for _, text in said(fresh.team)] == WHOLE
        assert fresh.once.twice == []


@pytest.mark.parametrize("condition", CONDITIONS)
async def test_a_run_that_is_killed_and_then_stopped_ends_as_the_whole_one(condition: str) -> None:
    """A stop of the run that goes on in a fresh team keeps each message once."""
    whole = await run_kept(Three(condition=condition).team, "go")
    for stored in whole.after_steps:
        moment = Moment()
        made = Three(condition=condition, moment=moment)
        restored = await restore(made.team, stored.kept())
        if ("bob", "bob 0") in said(made.team):
            break
        await stopped(made.team, moment, task=None if restored.has_taken_task else "go")
        assert [text for _, text in said(made.team)] == WHOLE[:1]
        await go_on(made.team)
        assert [text for _, text in said(made.team)] == WHOLE
        assert made.once.twice == []
