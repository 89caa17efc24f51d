"""A session with a real tool server survives a stop, serves the next run, leaves no process."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("mcp", reason="needs the extra `mcp`")

from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import Steps, assert_settled
from tests.blocking.desks import Desk, desk_in
from tests.blocking.stops import REASON, run_again, stop, words

pytestmark = [pytest.mark.process, pytest.mark.blocks]

LAST = 300  # no run here has more steps than this

by_stop_and_cancel = pytest.mark.parametrize("way", ["sup.stop", "task.cancel"])


@by_stop_and_cancel
async def test_a_session_started_in_a_stopped_run_serves_the_next(tmp_path: Path, way: str) -> None:
    """A call is in flight, the run settles at once, and the same server answers the next run."""
    async with desk_in(tmp_path) as desk:
        team = desk.team()
        desk.wanted = [("wait", {"key": "a"})]
        await stop(team, desk.told.until("called"), way)
        desk.wanted = [("look_up", {"key": "b"})]
        result = await run_again(team)
        assert words(result) == ["again", "done"]
        assert (await desk.told.until("called"))["key"] == "b"
        assert desk.told.started == 1


@by_stop_and_cancel
async def test_parallel_calls_in_flight(tmp_path: Path, way: str) -> None:
    """Parallel calls end with the run, and the transcript is complete."""
    async with desk_in(tmp_path) as desk:
        team = desk.team()
        desk.wanted = [("wait", {"key": key}) for key in "abc"]
        await stop(team, _all_called(desk, 3), way)
        desk.wanted = [("look_up", {"key": "d"}), ("look_up", {"key": "e"})]
        assert words(await run_again(team)) == ["again", "done"]
        assert desk.told.started == 1


async def _all_called(desk: Desk, count: int) -> None:
    for _ in range(count):
        await desk.told.until("called")


@by_stop_and_cancel
async def test_stopped_while_the_server_starts(tmp_path: Path, way: str) -> None:
    """A session that was starting at the stop is there for the next run."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    async with desk_in(tmp_path, str(gate)) as desk:
        team = desk.team()
        await stop(team, desk.told.until("started"), way)
        os.close(os.open(gate, os.O_WRONLY))  # once the server waits there
        assert words(await run_again(team, None))[-1:] == ["done"]
        assert desk.told.started == 1


@pytest.mark.parametrize(
    "every", [9, pytest.param(1, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
async def test_stopped_before_every_step(tmp_path: Path, every: int) -> None:
    """A stop at any step leaves the session able to serve a run."""
    asyncio.get_running_loop().set_debug(False)  # which takes a stack of each task
    async with desk_in(tmp_path) as desk:
        desk.wanted = [("look_up", {"key": "a"}), ("look_up", {"key": "b"})]
        await run_again(desk.team())
        for step in range(1, LAST, every):
            team = desk.team()
            was_stopped = await _stopped_before(step, team)
            assert words(await run_again(team))[-1:] == ["done"], f"after step {step}"
            if not was_stopped:
                assert desk.told.started == 1
                return
    pytest.fail(f"the run has more than {LAST} steps")


async def _stopped_before(step: int, team: RoundRobinGroupChat) -> bool:
    async with Supervisor(signals={}) as sup:
        with Steps() as steps:
            steps.before(step, lambda: sup.stop(REASON))
            result = await sup.stream(team, "go")
    assert_settled(team)
    return result.stop_reason == REASON


async def test_at_abandon_the_session_ends_in_order(tmp_path: Path) -> None:
    """At ABANDON the server is gone when the block is left, and the next run starts a new one."""
    async with desk_in(tmp_path) as desk:
        team = desk.team()
        desk.wanted = [("wait", {"key": "a"})]
        pid = (await _started(desk, team))["pid"]
        assert not psutil.pid_exists(pid)
        desk.wanted = [("look_up", {"key": "b"})]
        assert words(await run_again(team)) == ["again", "done"]
        assert desk.told.started == 2


async def _started(desk: Desk, team: RoundRobinGroupChat) -> dict[str, Any]:
    called = asyncio.ensure_future(desk.told.until("called"))
    await stop(team, called, "abandon", within=2.0)
    return called.result()


async def test_at_abandon_a_session_of_the_users_goes_on(tmp_path: Path) -> None:
    """A session of the user's is not closed by a run that used it, even at ABANDON."""
    async with desk_in(tmp_path) as desk:
        await desk.workbench.start()
        team = desk.team()
        desk.wanted = [("wait", {"key": "a"})]
        pid = (await _started(desk, team))["pid"]
        assert psutil.pid_exists(pid)
        desk.wanted = [("look_up", {"key": "b"})]
        assert words(await run_again(team)) == ["again", "done"]
        assert desk.told.started == 1


async def test_a_normal_end_leaves_the_session_open(tmp_path: Path) -> None:
    """A session that a run has started serves the next one, under another supervisor."""
    async with desk_in(tmp_path) as desk:
        team = desk.team()
        for _ in range(2):
            assert words(await run_again(team)) == ["again", "done"]
        assert desk.told.started == 1
