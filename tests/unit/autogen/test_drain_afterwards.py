"""After DRAIN: the team is AutoGen's own again, and goes on, also after an error."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat, SelectorGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_core import SingleThreadedAgentRuntime
from autogen_core.models import LLMMessage

from supervisor import Ladder, Rung, Supervisor
from supervisor._signals.registry import Registry
from supervisor._signals.wakeup import WakeupFd
from supervisor.testing import ScriptedModel, assert_settled
from tests.agents import Failing
from tests.unit.autogen.checks import assert_all_put_back, contents
from tests.unit.autogen.draining import classes_of_teams
from tests.unit.autogen.stops import REASON, Moment, count, go_on, speaker, stopped
from tests.unit.testing.teams import agent, round_robin


def _own(team: BaseGroupChat) -> dict[str, Any]:
    """Return what the live manager holds: its condition, and its overridden methods."""
    assert isinstance(team._runtime, SingleThreadedAgentRuntime)
    agents = team._runtime._instantiated_agents.values()
    found: list[dict[str, Any]] = [vars(a) for a in agents if hasattr(a, "_message_thread")]
    replaced = [name for name in found[0] if hasattr(BaseGroupChatManager, name)]
    return {"condition": found[0]["_termination_condition"], "replaced": replaced}


@pytest.mark.parametrize("kind", list(classes_of_teams()))
async def test_nothing_of_ours_is_left_in_the_manager(kind: str) -> None:
    """After DRAIN the manager's condition is its own; after the next run all of it is."""
    moment = Moment()
    team = classes_of_teams()[kind](speaker("ann", moment), speaker("bob"))
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
    """If an agent raises as it finishes its turn, the error comes out, and its team is as new."""
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
    """After an error in DRAIN a selector's model is asked once for each speaker of a new task."""
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
    """A turn that does not end in DRAIN's seconds is cancelled, and undone."""
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
    """Where the drained turn ends the team by itself, the stop reason is the team's own."""
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
@pytest.mark.parametrize("holds_at", [(WakeupFd, "read"), (Registry, "update_guard")])
async def test_no_turn_begins_while_the_watchdog_holds_a_signal(
    monkeypatch: pytest.MonkeyPatch, *, holds_at: tuple[type, str], is_inner: bool
) -> None:
    """No turn begins while the watchdog has read a signal and waits for the interpreter."""
    original: Callable[..., Any] = getattr(*holds_at)
    holds = threading.Event()

    def hold(*args: Any, **options: Any) -> Any:
        result = original(*args, **options)
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
