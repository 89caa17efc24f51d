"""What a stop costs, in counts: for instance how often the tasks of a loop are walked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Generator
from types import ModuleType
from typing import Any

import pytest

from supervisor import Supervisor
from supervisor._autogen import log_filter
from tests.agents import Deaf, team
from tests.unit.autogen.checks import assert_all_put_back

RUNS = 20
ACTOR = "autogen_ext.tools.mcp._actor"


@contextlib.contextmanager
def _walks() -> Generator[list[object]]:
    """Collect the callers that ask for all tasks of a loop meanwhile."""
    walks: list[object] = []
    all_tasks = asyncio.all_tasks

    def walk(loop: asyncio.AbstractEventLoop | None = None) -> object:
        walks.append(loop)
        return all_tasks(loop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "all_tasks", walk)
        yield walks


async def _stop_all(at_work: Callable[[], object] = lambda: None) -> None:
    """Stop many runs in one step, each of which waits for its agent."""
    agents = [Deaf() for _ in range(RUNS)]
    async with Supervisor(signals={}) as sup:
        running = [asyncio.create_task(sup.stream(team(agent), "x")) for agent in agents]
        for agent in agents:
            await agent.is_working.wait()
        at_work()
        sup.stop("Enough")
        results = await asyncio.gather(*running)
    assert {result.stop_reason for result in results} == {"Enough"}
    assert_all_put_back()


async def test_no_task_is_walked_without_sessions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stop does not walk the loop's tasks where AutoGen's MCP sessions are not imported."""
    monkeypatch.delitem(sys.modules, ACTOR, raising=False)
    with _walks() as walks:
        await _stop_all()
    assert not walks


async def test_many_runs_share_one_walk_for_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there may be sessions, all runs that are stopped in one step share one walk."""
    monkeypatch.setitem(sys.modules, ACTOR, ModuleType(ACTOR))
    with _walks() as walks:
        await _stop_all()
    assert len(walks) == 1


async def test_a_record_passes_one_filter() -> None:
    """A log record of AutoGen's passes one filter of ours, however many runs are active."""
    logger = logging.getLogger("autogen_core")
    found = list(logger.filters)
    added: list[Any] = []
    await _stop_all(lambda: added.extend(it for it in logger.filters if it not in found))
    assert added == [log_filter._filter]
    assert logger.filters == found
