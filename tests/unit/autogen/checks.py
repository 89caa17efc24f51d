"""Checks of what must hold for a team after a stop, at whatever moment it came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from autogen_agentchat.base import ChatAgent, TaskResult, Team
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import BaseGroupChat
from autogen_core import SingleThreadedAgentRuntime

from supervisor import Ladder, Run, Supervisor
from supervisor._autogen import log_filter
from supervisor._autogen.adapter import TeamAdapter
from supervisor._autogen.history.resume import ResumingTeam
from supervisor._autogen.quarantine import _busy, _given_up

SHORT = Ladder(drain=0.1, cancel=0.1, abandon=0.1)
"""For what refuses to end: the only tests that wait, and they wait this long."""


def adapter_in(run: Run) -> TeamAdapter:
    """Return the adapter of a run of a team or an agent."""
    assert isinstance(run._adapter, TeamAdapter)
    return run._adapter


def at_step(step: int, call: Callable[[], object]) -> None:
    """Call a function after so many iterations of the loop."""
    loop = asyncio.get_running_loop()

    def count(left: int) -> None:
        if left == 0:
            call()
        else:
            loop.call_soon(count, left - 1)

    count(step)


def assert_settled(team: BaseGroupChat) -> None:
    """Check that nothing of the team, nor of those within it, is active; every count is zero."""
    for inner in _teams(team):
        runtime = inner._runtime
        assert isinstance(runtime, SingleThreadedAgentRuntime)
        assert not inner._is_running, f"{inner.name} is marked as running"
        queue: Any = runtime._message_queue
        assert queue._unfinished_tasks == 0
        assert queue.qsize() == 0
        assert not runtime._background_tasks
        assert runtime._run_context is None
        assert inner._output_message_queue.empty()


def assert_all_put_back() -> None:
    """Check that no run is known any more; the task factory and the log filter are restored."""
    assert not _busy
    assert not _given_up
    assert asyncio.get_running_loop().get_task_factory() is None
    assert not log_filter._uses


async def assert_goes_on(team: BaseGroupChat, answers: int) -> None:
    """Check that the team's next run is whole, and that its state can be saved and loaded.

    Args:
        team: The team, settled.
        answers: How many answers its run consists of.
    """
    async with Supervisor(signals={}) as sup:
        result = await sup.stream(team, "again")
    assert contents(result)[0] == "again"
    assert len(contents(result)) == 1 + answers
    await team.load_state(await team.save_state())
    await team.reset()
    assert_settled(team)


def contents(result: TaskResult) -> list[str]:
    """Return what was said, the task first; without the events in between."""
    return [m.to_text() for m in result.messages if isinstance(m, BaseChatMessage)]


_METHODS = {"select_speaker", "on_message_impl", "handle_agent_response"}


def who(result: TaskResult) -> list[str]:
    """Return the sources of the messages, without the user."""
    chat = [message for message in result.messages if isinstance(message, TextMessage)]
    return [message.source for message in chat if message.source != "user"]


def stand_ins(team: BaseGroupChat) -> list[str]:
    """Return what stands in AutoGen's place, within a team that was run."""
    assert isinstance(team._runtime, SingleThreadedAgentRuntime)
    found: list[dict[str, Any]] = [vars(a) for a in team._runtime._instantiated_agents.values()]
    methods = [name for each in found for name in each if name in _METHODS]
    members = [
        each["_agent"].name for each in found if isinstance(each.get("_agent"), ResumingTeam)
    ]
    return [*methods, *members]


def _teams(team: ChatAgent | Team) -> Iterator[BaseGroupChat]:
    if isinstance(team, BaseGroupChat):
        yield team
        for member in team._participants:
            yield from _teams(member)
