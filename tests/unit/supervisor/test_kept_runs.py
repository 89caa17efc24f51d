"""Runs with an id: begun, over, held; what the store says of them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor, checkpoints, supervise
from supervisor.checkpoints import RunStatus
from supervisor.errors import (
    CheckpointCorrupt,
    RunCancelled,
    RunHeld,
    RunNotFound,
    SettingsError,
    UsageError,
)
from supervisor.testing import ScriptedAgent


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a store that is not there yet."""
    return f"sqlite:///{tmp_path}/runs.db"


async def think(_messages: object, _token: object) -> str:
    """Take a turn that never ends by itself."""
    await asyncio.Event().wait()
    return "never"


def endless_team() -> RoundRobinGroupChat:
    """Return a team whose second speaker waits for ever."""
    return RoundRobinGroupChat([ScriptedAgent("writer", ["One"]), ScriptedAgent("thinker", think)])


def make_team() -> RoundRobinGroupChat:
    """Return a team whose run has four messages, the task included."""
    writer, critic = ScriptedAgent("writer", ["One", "Three"]), ScriptedAgent("critic", ["Two"])
    return RoundRobinGroupChat([writer, critic], termination_condition=MaxMessageTermination(4))


async def test_a_run_that_has_ended_returns_its_stored_result(url: str) -> None:
    """The same call again does no work, without its task too, and in another supervisor."""
    async with Supervisor(checkpoints=url) as sup:
        first = await sup.stream(make_team(), "Write", id="report")
    async with Supervisor(checkpoints=url) as sup:
        assert await sup.stream(make_team(), "Write", id="report") == first
        assert await sup.stream(make_team(), id="report") == first
    assert len(first.messages) == 4


async def test_an_ended_run_yields_its_result_only(url: str) -> None:
    """A loop over a run that has ended gets the TaskResult, and nothing before it."""
    async with Supervisor(checkpoints=url) as sup:
        first = await sup.stream(make_team(), "Write", id="report")
        assert [event async for event in sup.stream(make_team(), id="report")] == [first]


async def test_a_run_that_is_not_there_needs_a_task(url: str) -> None:
    """Without a task a run cannot be begun, and the error says what to do."""
    async with Supervisor(checkpoints=url) as sup:
        with pytest.raises(RunNotFound, match="give a task to begin it"):
            await sup.stream(make_team(), id="report")


async def test_an_id_needs_a_store() -> None:
    """An id without `checkpoints` is an error before anything runs, and so are the words for it."""
    async with Supervisor() as sup:
        with pytest.raises(UsageError, match="needs a store of runs"):
            sup.stream(make_team(), "Write", id="report")
        with pytest.raises(UsageError, match="give id= too"):
            sup.stream(make_team(), "Write", wait=3)
        with pytest.raises(SettingsError, match="give a text that is not empty"):
            sup.stream(make_team(), "Write", id="")
        with pytest.raises(UsageError, match="needs a store of runs"):
            await sup.runs.list()


@pytest.mark.parametrize(
    "settings",
    [
        {"checkpoints": "mysql://host/runs"},
        {"checkpoints": 7},
        {"durability": "never"},
        {"lease": 0},
        {"lease": float("inf")},
        {"idempotent": "search"},
        {"idempotent": [7]},
    ],
)
def test_a_bad_setting_is_an_error_at_once(settings: dict[str, object]) -> None:
    """A setting of kept runs that cannot be is refused as the supervisor is built."""
    with pytest.raises(SettingsError) as caught:
        Supervisor(**settings)  # type: ignore[arg-type]
    assert caught.value.field == next(iter(settings))


async def test_a_run_is_at_work_once(url: str) -> None:
    """A second run of one id is refused, in the same supervisor and in another one."""
    async with Supervisor(checkpoints=url) as sup, Supervisor(checkpoints=url) as other:
        run = sup.stream(endless_team(), "Write", id="report")
        events = aiter(run)
        await anext(events)
        for owner in (sup, other):
            with pytest.raises(RunHeld):
                await owner.stream(make_team(), "Write", id="report")
        run.stop()
        await run


async def test_a_run_that_was_stopped_alone_is_at_rest(url: str) -> None:
    """A stop of one run leaves it stopped, with the reason."""
    async with Supervisor(checkpoints=url) as sup:
        async for _ in (run := sup.stream(endless_team(), "Write", id="report")):
            run.stop("Enough")
        [info] = await sup.runs.list()
    assert (info.status, info.stop_reason) == (RunStatus.STOPPED, "Enough")


async def test_a_failed_run_says_why(url: str) -> None:
    """An error of an agent is kept in one line, and raised all the same."""
    team = RoundRobinGroupChat([ScriptedAgent("writer", [ValueError("no\nink")])])
    async with Supervisor(checkpoints=url) as sup:
        with pytest.raises(RuntimeError, match="ink"):
            await sup.stream(team, "Write", id="report")
        [info] = await sup.runs.list(status="failed")
    assert info.error is not None
    assert "no ink" in info.error
    assert "\n" not in info.error
    assert info.failures == 1


async def test_a_cancelled_run_is_not_gone_on_with(url: str) -> None:
    """`runs.cancel` stops a run that is at work, and nobody goes on with it."""
    async with Supervisor(checkpoints=url) as sup:
        run = sup.stream(endless_team(), "Write", id="report")
        async for _ in run:
            await sup.runs.cancel("report")
        assert run.result is not None
        assert run.result.stop_reason == "Cancelled by request"
        with pytest.raises(RunCancelled):
            await sup.stream(make_team(), "Write", id="report")
        assert [info.status for info in await sup.runs.list()] == [RunStatus.CANCELLED]


@pytest.mark.parametrize("is_over", [False, True], ids=["at rest", "over"])
async def test_a_damaged_run_is_left_as_it_was(url: str, *, is_over: bool) -> None:
    """It is refused as it is read, and then nobody has it."""
    async with Supervisor(checkpoints=url) as sup:
        if is_over:
            await sup.stream(make_team(), "Write", id="report")
        else:
            async for _ in (run := sup.stream(endless_team(), "Write", id="report")):
                run.stop("enough")
        (before,) = await sup.runs.list()
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute("UPDATE sv_entry SET body = '1'")
            connection.commit()
        with pytest.raises(CheckpointCorrupt):
            await sup.stream(make_team(), id="report")
        (after,) = await sup.runs.list()
    assert (after.status, after.stop_reason) == (before.status, before.stop_reason)
    assert after.owner is None


async def test_a_run_that_was_forgotten_can_be_begun_anew(url: str) -> None:
    """`runs.forget` removes all of a run."""
    async with Supervisor(checkpoints=url) as sup:
        await sup.stream(make_team(), "Write", id="report")
        await sup.runs.forget("report")
        assert await sup.runs.list() == []
        result = await sup.stream(make_team(), "Write something else", id="report")
    assert len(result.messages) == 4


async def test_supervise_keeps_a_run_too(url: str) -> None:
    """`supervise` takes the same words, and keeps the run in the store of a block around it."""
    first = await supervise(make_team(), "Write", id="report", checkpoints=url)
    async with Supervisor(checkpoints=url):
        assert await supervise(make_team(), id="report") == first


def test_a_store_is_opened_without_a_block(url: str) -> None:
    """`checkpoints.open` lists the runs of a store in plain code."""
    with checkpoints.open(url) as runs:
        assert runs.list(status=["stopped", "failed"]) == []
        with pytest.raises(RunNotFound):
            runs.get("report")
        with pytest.raises(SettingsError, match="give one of 'queued'"):
            runs.list(status="finished")


def test_the_runs_of_a_store_are_worked_on_without_a_block(url: str) -> None:
    """Plain code reads a run, puts its state into a team, queues one again, and forgets it."""
    team, loaded = make_team(), make_team()

    async def prepare() -> Mapping[str, Any]:
        async with Supervisor(checkpoints=url) as sup:
            await sup.stream(team, "Write", id="whole")
            async for _ in sup.stream(make_team(), "Write", id="half"):
                break
            return await team.save_state()
        raise AssertionError("nothing has stopped it")

    state = asyncio.run(prepare())
    with checkpoints.open(url) as runs:
        assert runs.read("whole").info == runs.get("whole")
        runs.load(loaded, "whole")
        runs.requeue("half")
        assert list(runs.wanting()) == ["half"]
        with pytest.raises(UsageError):
            runs.requeue("whole")
        assert runs.cancel("half") is RunStatus.CANCELLED
        runs.forget("half")
        assert [info.id for info in runs.list()] == ["whole"]
    assert asyncio.run(loaded.save_state()) == state


async def test_an_agent_is_kept_too(url: str) -> None:
    """An agent alone is kept as a team is."""
    async with Supervisor(checkpoints=url) as sup:
        first = await sup.stream(ScriptedAgent("writer", ["One"]), "Write", id="report")
        again = await sup.stream(ScriptedAgent("writer", []), id="report")
    assert isinstance(again, TaskResult)
    assert again == first


class Noting(TextMessage):
    """A message that notes in which thread it is read from a store."""

    threads: ClassVar[list[threading.Thread]] = []

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Self:
        """Read it."""
        cls.threads.append(threading.current_thread())
        return cls.model_validate(data)


def noting_team(said: int) -> RoundRobinGroupChat:
    """Return a team whose run has so many messages, the task included."""

    async def say(_messages: object, _token: object) -> Noting:
        return Noting(content="Said", source="writer")

    return RoundRobinGroupChat(
        [ScriptedAgent("writer", say)],
        termination_condition=MaxMessageTermination(said),
        custom_message_types=[Noting],
    )


async def test_messages_are_not_read_in_the_loop(url: str) -> None:
    """Those of a run that goes on, of one that is over, and of one that is loaded."""
    Noting.threads.clear()
    task = [Noting(content=str(number), source="user") for number in range(3)]
    async with Supervisor(checkpoints=url) as sup:
        run = sup.stream(noting_team(9), task, id="it")
        async for event in run:
            if isinstance(event, Noting) and event.source == "writer":
                run.stop("Enough")
        for read in (
            lambda: sup.stream(noting_team(9), id="it"),
            lambda: sup.stream(noting_team(9), id="it"),
            lambda: sup.runs.load(noting_team(9), "it"),
        ):
            await read()
            assert Noting.threads
            assert threading.main_thread() not in Noting.threads
            Noting.threads.clear()
