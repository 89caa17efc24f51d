"""`assert_settled` passes for a team at rest, and names each thing that is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_core import SingleThreadedAgentRuntime
from autogen_core.models import AssistantMessage, UserMessage

from supervisor.testing import assert_settled, calls
from supervisor.testing._settled import has_taken, said
from supervisor.testing._tools import ToolLog
from tests.unit.testing.teams import _LoggedTeam, agent, asking, nested, pair, society


def parts(team: BaseGroupChat) -> tuple[Any, Any, Any]:
    """Return a team's runtime, its manager, and the container of its first member."""
    runtime: Any = team._runtime
    agents = list(runtime._instantiated_agents.values())
    manager = next(each for each in agents if hasattr(each, "_active_speakers"))
    return runtime, manager, next(each for each in agents if hasattr(each, "_message_buffer"))


def hold_lock(team: BaseGroupChat) -> None:
    """Leave the lock of a member held."""
    parts(team)[2]._fifo_lock._locked = True


def buffer_twice(team: BaseGroupChat) -> None:
    """Have a message wait for a member twice."""
    message = TextMessage(content="again", source="user")
    parts(team)[2]._message_buffer.extend([message, message])


PLANTED: dict[str, tuple[Callable[[BaseGroupChat], object], str]] = {
    "running": (lambda t: setattr(t, "_is_running", True), "marked as running"),
    "engine": (
        lambda t: setattr(parts(t)[0], "_run_context", object()),
        "runtime's message loop runs",
    ),
    "count": (
        lambda t: setattr(parts(t)[0]._message_queue, "_unfinished_tasks", 2),
        "2 messages not counted off",
    ),
    "queue": (
        lambda t: parts(t)[0]._message_queue._queue.append(object()),
        "1 messages in the runtime's queue",
    ),
    "handlers": (lambda t: parts(t)[0]._background_tasks.add(object()), "1 handlers at work"),
    "output": (lambda t: t._output_message_queue.put_nowait(object()), "1 events nobody has read"),  # type: ignore[arg-type]
    "speakers": (lambda t: parts(t)[1]._active_speakers.append("bob"), "the answer of bob"),
    "lock": (hold_lock, "a lock is held by"),
    "buffer": (buffer_twice, "given twice to"),
}


async def ran(team: BaseGroupChat) -> BaseGroupChat:
    """Return the team, after a run."""
    await team.run(task="Begin")
    return team


@pytest.mark.parametrize(("plant", "named"), PLANTED.values(), ids=list(PLANTED))
async def test_what_is_left_is_named(plant: Callable[[Any], object], named: str) -> None:
    """A team at rest passes; with one thing left behind it fails, and the error says what."""
    team = await ran(pair())
    assert_settled(team)
    plant(team)
    with pytest.raises(AssertionError, match=named):
        assert_settled(team)


async def test_all_that_is_left_is_named_at_once() -> None:
    """One error lists everything that is left, with the name of the team."""
    team = await ran(pair())
    for plant, _ in PLANTED.values():
        plant(team)
    with pytest.raises(AssertionError) as caught:
        assert_settled(team)
    assert str(caught.value).count("team: ") == len(PLANTED)


async def test_a_team_that_never_ran_is_settled() -> None:
    """A team that never ran is settled, unless it was only half made."""
    team = pair()
    assert_settled(team)
    runtime: Any = team._runtime
    runtime._agent_factories["half"] = object()
    with pytest.raises(AssertionError, match="initialised halfway"):
        assert_settled(team)


async def test_a_team_at_work_is_not_settled() -> None:
    """`assert_settled` fails in the middle of a run."""
    team = pair()
    task = asyncio.create_task(team.run(task="Begin"))
    for _ in range(10):
        await asyncio.sleep(0)
    with pytest.raises(AssertionError, match="marked as running"):
        assert_settled(team)
    await task
    assert_settled(team)


def _innermost(team: RoundRobinGroupChat) -> BaseGroupChat:
    inner = team._participants[0]
    return _innermost(inner) if isinstance(inner, RoundRobinGroupChat) else team


async def test_teams_within_teams_are_looked_at() -> None:
    """Teams at any depth are checked: among members, in a society, behind a tool."""
    deep = nested()
    await deep.run(task="Begin")
    hidden = RoundRobinGroupChat([agent("ann")], name="hidden", max_turns=1)
    holding = RoundRobinGroupChat([asking(_LoggedTeam(hidden, ToolLog()))], max_turns=1)
    in_society = society()
    member: Any = in_society._participants[0]
    for whole, within in (
        (deep, _innermost(deep)),
        (holding, hidden),
        (in_society, member._team),
    ):
        assert_settled(whole)
        within._is_running = True
        with pytest.raises(AssertionError, match=f"{within.name}: it is marked"):
            assert_settled(whole)


async def test_a_malformed_context_is_found() -> None:
    """A call without a result in any agent's context fails, even for a single agent."""
    member = agent("ann")
    team = RoundRobinGroupChat([member], max_turns=1)
    await member.model_context.add_message(UserMessage(content="hello", source="user"))
    things: list[ChatAgent | BaseGroupChat] = [member, team]
    for thing in things:
        assert_settled(thing)
    await member.model_context.add_message(AssistantMessage(content=calls("now"), source="ann"))
    for thing in things:
        with pytest.raises(AssertionError, match="context is malformed"):
            assert_settled(thing)


async def test_others_on_a_shared_runtime_do_not_count() -> None:
    """On a runtime of the user's, only the team's own messages and handlers count."""
    runtime = SingleThreadedAgentRuntime()
    ours, theirs = [
        RoundRobinGroupChat([agent("ann")], max_turns=1, runtime=runtime) for _ in range(2)
    ]
    runtime.start()
    await ours.run(task="Begin")
    busy = asyncio.create_task(theirs.run(task="Begin"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert_settled(ours)
    with pytest.raises(AssertionError, match="marked as running"):
        assert_settled(theirs)
    await busy
    await runtime.stop_when_idle()
    assert_settled(theirs)


async def test_messages_of_a_team_on_a_shared_runtime_count() -> None:
    """A message in the queue of a shared runtime counts for the team whose id it bears."""
    runtime = SingleThreadedAgentRuntime()
    ours, theirs = [
        RoundRobinGroupChat([agent("ann")], max_turns=1, runtime=runtime) for _ in range(2)
    ]
    runtime.start()
    await ours.run(task="Begin")
    await runtime.stop_when_idle()
    resetting = asyncio.create_task(_reset_without_runtime(theirs, runtime))
    await asyncio.sleep(0)
    assert_settled(ours)
    await resetting


async def _reset_without_runtime(team: BaseGroupChat, runtime: SingleThreadedAgentRuntime) -> None:
    runtime.start()
    await team.reset()
    await runtime.stop_when_idle()


async def test_what_was_said_and_taken() -> None:
    """A team's messages and its task can be read, and so can a single agent's."""
    task = TextMessage(content="Begin", source="user")
    things: list[BaseGroupChat | AssistantAgent] = [pair(), agent("ann")]
    for thing in things:
        assert said(thing) == []
        assert not has_taken(thing, task)
        await thing.run(task=task)
        assert said(thing)[0][0] == "ann"
        assert has_taken(thing, task)
        assert not has_taken(thing, TextMessage(content="Other", source="user"))
