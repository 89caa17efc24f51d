"""A stopped team: what its result contains, what its members were given, and its plain use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.base import TaskResult, TerminationCondition
from autogen_agentchat.conditions import (
    ExternalTermination,
    MaxMessageTermination,
    TextMentionTermination,
    TimeoutTermination,
)
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    StopMessage,
    TextMessage,
)
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_core.models import UserMessage

from supervisor import Rung, Supervisor
from supervisor._reports.log import reporter
from supervisor.testing import assert_settled
from supervisor.testing._settled import has_taken, said
from tests.agents import Agent, Failing
from tests.unit.autogen.checks import contents
from tests.unit.autogen.stops import (
    EACH_TEAM,
    REASON,
    Moment,
    at_each_step,
    go_on,
    requests,
    speaker,
    stopped,
)
from tests.unit.testing.teams import (
    agent,
    pair,
    round_robin,
)

pytestmark = pytest.mark.one_loop

# -- what the result tells ----------------------------------------------------------------------


@pytest.mark.parametrize("rung", [Rung.CANCEL, Rung.DRAIN])
@pytest.mark.parametrize("kind", list(EACH_TEAM))
async def test_the_result_holds_the_task_exactly_if_the_team_has_taken_it(
    kind: str, rung: Rung
) -> None:
    """The task is in the result if, and only if, it need not be given again."""
    make, every = EACH_TEAM[kind]
    task = TextMessage(content="Begin", source="user")
    outcomes: set[bool] = set()
    async for team, result in at_each_step(make, task=task, rung=rung, every=every):
        given = any(message.id == task.id for message in result.messages)
        assert given is has_taken(team, task)
        outcomes.add(given)
    assert True in outcomes


async def test_stopped_before_anything_was_delivered() -> None:
    """A run that is stopped at its first step has an empty result, and its team has no task."""
    async for team, result in at_each_step(pair):
        assert result.messages == []
        assert said(team) == []
        assert contents(await go_on(team, "again"))[0] == "again"
        break


async def test_without_task_messages_the_result_never_holds_the_task() -> None:
    """With `output_task_messages=False` the task is not in the result, taken or not."""
    task = TextMessage(content="Begin", source="user")
    taken: set[bool] = set()
    async for team, result in at_each_step(pair, task=task, every=2, output_task_messages=False):
        assert not any(message.id == task.id for message in result.messages)
        taken.add(has_taken(team, task))
        await go_on(team, None if has_taken(team, task) else task)
        assert [who for who, _ in said(team)][:2] == ["ann", "bob"]
    assert taken == {False, True}


async def test_a_task_that_a_reader_saw_is_in_the_result() -> None:
    """A team has taken the task once a reader got it among the events."""
    team, task = pair(), TextMessage(content="Begin", source="user")
    seen: list[Any] = []
    async with Supervisor(signals={}) as sup:
        async for event in sup.stream(team, task):
            seen.append(event)
            sup.stop(REASON)
        done = True
    assert done
    result = seen[-1]
    assert isinstance(result, TaskResult)
    assert seen[0].id == task.id
    assert result.messages[0].id == task.id
    assert has_taken(team, task)
    assert_settled(team)


async def test_several_messages_are_one_task() -> None:
    """A task of several messages is taken whole, or not at all."""
    task: list[Any] = [TextMessage(content=word, source="user") for word in ("one", "two")]
    async for team, result in at_each_step(pair, task=task, every=2):
        found = [message for message in result.messages if message.id in {m.id for m in task}]
        assert len(found) in {0, 2}
        assert [has_taken(team, message) for message in task] == [bool(found)] * 2


# -- what the members are given -----------------------------------------------------------------


async def test_nobody_is_given_a_message_twice() -> None:
    """An interrupted member forgets what it was given, and is given it again: once in all."""
    moment = Moment()
    bob = speaker("bob", moment)
    team = round_robin(speaker("ann"), bob, turns=2)
    result = await stopped(team, moment)
    assert contents(result) == ["go", "ann 0"]
    assert contents(await go_on(team)) == ["bob 0", "ann 1"]
    given = [[m.content for m in each if isinstance(m, UserMessage)] for each in requests(bob)]
    assert given == [["go", "ann 0"], ["go", "ann 0"]]


async def test_nobody_misses_a_message() -> None:
    """At each moment of a stop, each member hears the task and the others, in order."""
    whole = round_robin(speaker("ann"), speaker("bob"), speaker("cleo"), turns=3)
    await go_on(whole, "go")
    async for team, _ in at_each_step(
        lambda: round_robin(speaker("ann"), speaker("bob"), speaker("cleo"), turns=3), every=3
    ):
        begun = bool(said(team)) or has_heard(team, "go")
        await go_on(team, None if begun else "go")
        assert said(team)[:3] == said(whole)[:3]


def has_heard(team: BaseGroupChat, text: str) -> bool:
    """Return whether the team's thread holds such a message."""
    from supervisor._autogen.upstream.snapshot import thread

    return any(getattr(message, "content", None) == text for message in thread(team))


async def test_an_agent_interrupted_twice_gets_the_same_transcript() -> None:
    """An agent that is interrupted in one turn repeatedly is asked with the same transcript."""
    moments = [Moment(), Moment(), Moment()]
    waiting = list(moments)

    class Next(Moment):
        async def wait(self) -> None:
            if waiting:
                await waiting.pop(0).wait()

    ann = speaker("ann", Next())
    team = round_robin(ann, speaker("bob"))
    await stopped(team, moments[0])
    for moment in moments[1:]:
        await stopped(team, moment, task=None)
    await go_on(team)
    texts = [[message.content for message in each] for each in requests(ann)]
    assert len(texts) == 4
    assert all(each == texts[0] for each in texts)


# -- conditions and counters --------------------------------------------------------------------


def _conditions() -> dict[str, TerminationCondition]:
    return {
        "messages": MaxMessageTermination(4),
        "or": MaxMessageTermination(4) | TextMentionTermination("nobody says this"),
        "and": MaxMessageTermination(4) & MaxMessageTermination(3),
        "time": MaxMessageTermination(4) | TimeoutTermination(1000),
    }


@pytest.mark.parametrize("name", list(_conditions()))
async def test_the_condition_begins_anew(name: str) -> None:
    """At each moment of a stop, the next run's condition counts from the beginning."""

    def make() -> RoundRobinGroupChat:
        members: list[Any] = [speaker("ann"), speaker("bob")]
        return RoundRobinGroupChat(members, termination_condition=_conditions()[name])

    async for team, _ in at_each_step(make, every=3):
        assert len(contents(await go_on(team, "again"))) == 4


async def test_the_counter_of_turns_begins_anew() -> None:
    """At each moment of a stop, the next run has all of `max_turns`."""
    async for team, _ in at_each_step(pair, every=3):
        assert len(contents(await go_on(team, "again"))) == 3


async def test_an_external_condition_that_was_set_is_reset() -> None:
    """An external condition that was set for the stopped run does not end the next one."""
    condition = ExternalTermination()

    class Setting(Moment):
        async def wait(self) -> None:
            if not self.is_there.is_set():
                condition.set()
            await super().wait()

    moment = Setting()
    team = RoundRobinGroupChat(
        [speaker("ann", moment)], termination_condition=condition, max_turns=2
    )
    await stopped(team, moment)
    assert not condition.terminated
    assert contents(await go_on(team)) == ["ann 0", "ann 1"]


class _Unresettable(TerminationCondition):
    """A user's condition whose reset raises once."""

    def __init__(self) -> None:
        self.has_raised = False

    @property
    def terminated(self) -> bool:
        return False

    async def __call__(
        self, messages: Sequence[BaseAgentEvent | BaseChatMessage]
    ) -> StopMessage | None:
        return None

    async def reset(self) -> None:
        if not self.has_raised:
            self.has_raised = True
            raise LookupError("the condition's own")


async def test_a_condition_whose_reset_fails_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A failing reset is logged; the run has its result, and the team is repaired otherwise."""
    moment, condition = Moment(), _Unresettable()
    team = RoundRobinGroupChat(
        [speaker("ann", moment)], termination_condition=condition, max_turns=2
    )
    with caplog.at_level(logging.WARNING, "supervisor"):
        await stopped(team, moment)
        await asyncio.to_thread(reporter.flush, 5)
    assert condition.has_raised
    assert any("termination condition" in record.getMessage() for record in caplog.records)
    assert contents(await go_on(team)) == ["ann 0", "ann 1"]


class _Waiting(_Unresettable):
    """A user's condition that waits before it answers, and when it is reset."""

    async def __call__(
        self, messages: Sequence[BaseAgentEvent | BaseChatMessage]
    ) -> StopMessage | None:
        await asyncio.sleep(0)
        return None

    async def reset(self) -> None:
        await asyncio.sleep(0)


async def test_a_condition_that_waits_does_not_prevent_the_repair() -> None:
    """The team is repaired at each step, although a user's condition waits."""

    def make() -> RoundRobinGroupChat:
        members: list[Any] = [speaker("ann"), speaker("bob")]
        return RoundRobinGroupChat(members, termination_condition=_Waiting(), max_turns=2)

    async for team, _ in at_each_step(make, every=2):
        await go_on(team, "again")
        assert said(team)[-2:]


# -- errors -------------------------------------------------------------------------------------


class _Recovering(Failing):
    """An agent that fails until it is told to work."""

    fails = True

    async def work(self, token: Any) -> None:
        if self.fails:
            await super().work(token)


async def test_a_failed_member_is_asked_again() -> None:
    """An agent that raises ends its run, not its team: a run without a task asks it again."""
    failing = _Recovering("bob")
    team = round_robin(Agent("ann"), failing, turns=2)
    async with Supervisor(signals={}) as sup:
        with pytest.raises(RuntimeError, match="the agent's own"):
            await sup.stream(team, "go")
        assert_settled(team)
        failing.fails = False
        result = await sup.stream(team)
    assert [message.source for message in result.messages] == ["bob", "ann"]
    assert_settled(team)


async def test_a_team_with_a_failed_member_can_be_given_a_new_task() -> None:
    """A run with another task begins with the failed member, which hears both tasks."""
    failing = _Recovering("bob")
    team = round_robin(agent("ann"), failing, agent("cleo"), turns=3)
    async with Supervisor(signals={}) as sup:
        with pytest.raises(RuntimeError):
            await sup.stream(team, "go")
        failing.fails = False
        result = await sup.stream(team, "again")
    assert len(result.messages) == 4
    assert_settled(team)


# -- plain use afterwards -----------------------------------------------------------------------

PLAIN = {
    name: EACH_TEAM[name][0] for name in ("pair", "selector", "swarm", "graph", "kept", "nested")
}


def _length(team: BaseGroupChat) -> int:
    return len(said(team))


@pytest.fixture(params=list(PLAIN))
def plain(request: pytest.FixtureRequest) -> Callable[[], BaseGroupChat]:
    """Return what makes a team, for each kind in turn."""
    make: Any = PLAIN[request.param]
    return make  # type: ignore[no-any-return]


async def _steps_of(make: Callable[[], BaseGroupChat]) -> list[BaseGroupChat]:
    """Return teams that were stopped at some steps."""
    return [team async for team, _ in at_each_step(make, every=23)]


async def test_stock_run_with_a_task(plain: Callable[[], BaseGroupChat]) -> None:
    """`team.run(task=...)` without a supervisor is a full run that begins with its task."""
    for team in await _steps_of(plain):
        result = await team.run(task="again")
        assert contents(result)[0] == "again"
        assert len(contents(result)) > 1
        assert_settled(team)


async def test_stock_run_stream_without_a_task(plain: Callable[[], BaseGroupChat]) -> None:
    """`team.run_stream()` goes on from what was finished, once the team has its task."""
    whole = plain()
    await whole.run(task="go")
    for team in await _steps_of(plain):
        if not has_heard(team, "go"):
            continue
        before = said(team)
        async for event in team.run_stream():
            last = event
        assert isinstance(last, TaskResult)
        assert said(team)[: len(before)] == before
        assert_settled(team)
        if team.name != "GraphFlow":
            shared = min(_length(team), _length(whole))
            assert said(team)[:shared] == said(whole)[:shared]


async def test_stock_reset(plain: Callable[[], BaseGroupChat]) -> None:
    """`team.reset()` leaves nothing of the stopped run; the next says what a fresh team says."""
    whole = plain()
    await whole.run(task="go")
    for team in await _steps_of(plain):
        await team.reset()
        assert said(team) == []
        await team.run(task="go")
        assert sorted(said(team)) == sorted(said(whole))
        assert_settled(team)


async def test_stock_save_and_load(plain: Callable[[], BaseGroupChat]) -> None:
    """The state of a stopped team can be saved, and loaded by it and by a fresh one."""
    for team in await _steps_of(plain):
        state = await team.save_state()
        other = plain()
        await other.load_state(state)
        assert said(other) == said(team)
        await team.load_state(state)
        await team.run(task="again")
        await other.run(task="again")
        assert_settled(team)
        assert_settled(other)
