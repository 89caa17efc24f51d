"""Starts a run, stops it at a fact, and checks what must hold afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import BaseGroupChat

from supervisor import Ladder, Rung, Supervisor
from supervisor.testing import assert_settled

REASON = "Enough"
SOON = 0.8  # seconds: before the second strike, half-way through CANCEL

WAYS: dict[str, Callable[[Supervisor, asyncio.Task[TaskResult]], object]] = {
    "sup.stop": lambda sup, task: sup.stop(REASON),
    "task.cancel": lambda sup, task: task.cancel(),
    "abandon": lambda sup, task: sup.stop(REASON, Rung.ABANDON),
}


async def stop(
    team: BaseGroupChat,
    is_working: Awaitable[object],
    way: str,
    *,
    task: str = "go",
    ladder: Ladder | None = None,
    within: float = SOON,
) -> TaskResult | None:
    """Stop a run of the team once it works, and check that it settles in time.

    Args:
        team: The team.
        is_working: What is awaited before the stop.
        way: How it is stopped.
        task: What it is asked for.
        ladder: The supervisor's.
        within: Seconds that the stop may take.

    Returns:
        The run's result; None where its caller was cancelled.
    """
    async with Supervisor(signals={}, ladder=ladder) as sup:
        run = asyncio.create_task(sup.stream(team, task))
        first, _ = await asyncio.wait(
            [run, asyncio.ensure_future(is_working)], return_when=asyncio.FIRST_COMPLETED
        )
        assert run not in first, run.result()
        begun = time.monotonic()
        WAYS[way](sup, run)
        await asyncio.wait([run])
    await asyncio.wait([run])  # at ABANDON, the block is cancelled
    assert time.monotonic() - begun < within, f"it took {time.monotonic() - begun:.3f} s"
    assert_settled(team)
    if run.cancelled():
        assert way == "task.cancel"
        return None
    result = run.result()
    assert result.stop_reason == REASON
    return result


async def run_again(team: BaseGroupChat, task: str | None = "again") -> TaskResult:
    """Run the team once more, to its end."""
    async with Supervisor(signals={}) as sup:
        result = await sup.stream(team, task, timeout=10)
    assert_settled(team)
    assert result.stop_reason is None or "Stopped after" not in result.stop_reason
    return result


def words(result: TaskResult) -> list[str]:
    """Return what was said."""
    return [m.to_text() for m in result.messages if isinstance(m, BaseChatMessage)]
