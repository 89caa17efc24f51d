"""The readers of a run: what they are given after a stop, and when they are waited for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from autogen_agentchat.base import TaskResult

from supervisor import Run, Supervisor
from tests.agents import Agent, Streaming, team
from tests.unit.autogen.checks import assert_all_put_back, assert_settled

Stop = Callable[[Supervisor, Supervisor, Run], None]


def in_a_thread(_outer: Supervisor, inner: Supervisor, _run: Run) -> None:
    """Stop while the loop is blocked, as the watchdog does."""
    thread = threading.Thread(target=inner.stop, args=("Enough",))
    thread.start()
    thread.join()


STOPS: dict[str, Stop] = {
    "sup.stop": lambda _, inner, run: inner.stop("Enough"),
    "run.stop": lambda _, inner, run: run.stop("Enough"),
    "outer.stop": lambda outer, _, run: outer.stop("Enough"),
    "in a thread": in_a_thread,
}


@pytest.mark.blocks
@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
async def test_nothing_but_the_result_from_the_very_moment(stop: Stop) -> None:
    """Events buffered as CANCEL begins are not yielded, though the loop has taken no step."""
    group = team(Agent("a"), Streaming(n=50), turns=2)
    seen: list[object] = []
    async with Supervisor(signals={}) as outer, Supervisor(signals={}) as inner:
        run = inner.stream(group, "go")
        async for event in run:
            seen.append(event)
            if len(seen) == 1:
                while run._stoppable.unread < 5:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0)
                stop(outer, inner, run)
    assert len(seen) == 2
    assert isinstance(seen[1], TaskResult)
    assert seen[1].stop_reason == "Enough"
    assert_settled(group)
    assert_all_put_back()
