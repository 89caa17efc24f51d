"""Contract tests: a team's manager and its members."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
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
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._chat_agent_container import ChatAgentContainer
from autogen_agentchat.teams._group_chat._events import GroupChatReset
from autogen_agentchat.teams._group_chat._magentic_one._magentic_one_orchestrator import (
    MagenticOneOrchestrator,
)
from autogen_agentchat.teams._group_chat._sequential_routed_agent import (
    FIFOLock,
    SequentialRoutedAgent,
)

from supervisor._autogen import upstream
from tests.agents import Agent, BreaksOnCancel, team
from tests.unit.autogen.upstream.parts import (
    delivered,
    group_after_a_run,
    manager_of,
    tasks_created,
    team_at_work,
)
from tests.unit.testing.teams import graph, magentic, pair, selector, swarm


async def test_instantiated_agents_holds_the_manager() -> None:
    """`_instantiated_agents` holds the team's manager and its members' containers."""
    async with team_at_work() as (_, runtime):
        kinds = [type(agent) for agent in runtime._instantiated_agents.values()]
    assert sum(issubclass(kind, BaseGroupChatManager) for kind in kinds) == 1
    assert sum(issubclass(kind, SequentialRoutedAgent) for kind in kinds) == 3


async def test_fifo_lock_of_each_routed_agent() -> None:
    """Each container has a `_fifo_lock`, and a waiter that was cancelled poisons it."""
    async with team_at_work() as (_, runtime):
        for agent in runtime._instantiated_agents.values():
            assert isinstance(agent, SequentialRoutedAgent)
            assert isinstance(agent._fifo_lock, FIFOLock)
    lock = FIFOLock()
    await lock.acquire()
    waiter = asyncio.create_task(lock.acquire())
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.wait([waiter])
    lock.release()
    assert lock._locked, "fixed upstream: the lock need not be replaced any more"


async def test_active_speakers_and_current_turn() -> None:
    """`_active_speakers` names whose turn it is, `_current_turn` counts the turns before it."""
    async with team_at_work() as (_, runtime):
        manager = manager_of(runtime)
        assert manager._active_speakers == ["stubborn"]
        assert manager._current_turn == 1
        after = manager
    assert after._active_speakers == []
    assert after._current_turn == 0


def _graph() -> GraphFlow:
    return GraphFlow([Agent("a")], DiGraphBuilder().add_node(Agent("a")).build())


@pytest.mark.parametrize(
    ("make", "asks"),
    [
        (lambda: RoundRobinGroupChat([Agent("a")]), True),
        (lambda: SelectorGroupChat([Agent("a"), Agent("b")], BreaksOnCancel()), True),
        (_graph, True),
        (lambda: MagenticOneGroupChat([Agent("a")], BreaksOnCancel()), False),
    ],
    ids=["round robin", "selector", "graph", "magentic one"],
)
def test_handle_agent_response_is_the_turns_end(make: Callable[[], Any], asks: bool) -> None:
    """Managers share `handle_agent_response`, which asks the condition; MagenticOne's does not."""
    cls = make()._base_group_chat_manager_class
    shares = cls.handle_agent_response is BaseGroupChatManager.handle_agent_response
    assert shares is asks


def test_swarm_shares_the_turns_end() -> None:
    """Swarm's manager asks its condition after each turn, as the base does."""
    manager = importlib.import_module(Swarm.__module__).SwarmGroupChatManager
    assert manager.handle_agent_response is BaseGroupChatManager.handle_agent_response


async def test_an_instance_is_there_without_waiting() -> None:
    """`try_get_underlying_agent_instance` gives manager and containers without waiting."""
    group = await group_after_a_run(team(Agent("a"), Agent("b"), turns=1))
    assert isinstance(group.manager, BaseGroupChatManager)
    assert all(isinstance(member, ChatAgentContainer) for member in group._members.values())


async def test_names_and_topics_of_the_members() -> None:
    """`_participant_name_to_topic_type` names each member's topic, by the order of the team."""
    group = await group_after_a_run(team(Agent("a"), Agent("b"), turns=1))
    topics = group.manager._participant_name_to_topic_type
    assert list(topics) == ["a", "b"] == list(group.names)
    assert [group.name_at(topic) for topic in topics.values()] == ["a", "b"]
    assert group.name_at(group.topic) is None


async def test_a_container_holds_its_agent_and_what_it_has_heard() -> None:
    """`_agent` is the member, and `_message_buffer` what it has heard and was not given yet."""
    first, second = Agent("first"), Agent("second")
    group = await group_after_a_run(team(first, second, turns=1))
    assert group.agent("second") is second
    assert [message.to_text() for message in group.buffer("second")] == ["go", "done"]
    assert group.buffer("first") == []
    group.put_buffer("second", [])
    assert group._members["second"]._message_buffer == []


async def test_an_agent_is_asked_through_its_container() -> None:
    """The `_agent` of the container is asked at the next turn."""
    made = team(Agent("a"), turns=1)
    group, other = await group_after_a_run(made), Agent("a")
    group.put_agent("a", other)
    await made.run(task="again")
    assert other.turns == 1


async def test_message_thread_is_all_that_was_said() -> None:
    """`_message_thread` of the manager holds the tasks and the answers, in order."""
    group = await group_after_a_run(team(Agent("a"), turns=1))
    assert [message.to_text() for message in group.thread if isinstance(message, TextMessage)] == [
        "go",
        "done",
    ]


@pytest.mark.parametrize("make", [pair, selector, swarm, graph], ids=lambda make: make.__name__)
async def test_update_message_thread_does_not_wait(make: Callable[[], BaseGroupChat]) -> None:
    """`update_message_thread` of each manager extends the thread without waiting."""
    group = await group_after_a_run(make())
    message = TextMessage(content="x", source="ann")
    group.add([message])
    assert group.thread[-1] is message


async def test_magentic_ones_steps_and_counts() -> None:
    """Its orchestrator has `_orchestrate_step`, `_reenter_outer_loop`, and counts what it did."""
    group = await group_after_a_run(magentic())
    manager = group.manager
    assert isinstance(manager, MagenticOneOrchestrator)
    assert group.restarts
    assert manager._n_rounds > 0
    assert manager._n_stalls == 0
    for step in (manager._orchestrate_step, manager._reenter_outer_loop):
        assert list(inspect.signature(step).parameters) == ["cancellation_token"]


async def test_magentic_one_asks_its_members_to_forget() -> None:
    """`_reenter_outer_loop` sends each member a `GroupChatReset`, and speaks to the group."""
    with tasks_created() as created:
        group = await group_after_a_run(magentic())
    resets = [d for d in delivered(created) if isinstance(d.message, GroupChatReset)]
    assert [group.name_at(d.address) for d in resets] == ["ann", "bob"]


async def test_magentic_one_needs_a_task() -> None:
    """MagenticOne's `handle_start` refuses a run without a task; hence our override."""
    with pytest.raises(AssertionError):
        await magentic().run()


async def test_what_a_manager_refuses_is_in_its_thread_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A manager of a user's that raises loses no message."""
    made = await upstream.make_group(team(Agent("a"), turns=1))
    said = TextMessage(content="so", source="a")

    async def refuse(_messages: object) -> None:
        raise LookupError("the user's")

    monkeypatch.setattr(made.manager, "update_message_thread", refuse)
    made.add([said])
    assert made.thread == [said]
