"""Runs that are kept: what fails, is lost or refuses at the moments at which nothing should."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from autogen_agentchat.base import TaskResult, TerminationCondition
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseTextChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Ladder, Run, Supervisor
from supervisor._autogen.checkpoints.kept_adapter import KeptTeamAdapter
from supervisor._autogen.checkpoints.kept_run import KeptRun
from supervisor._checkpoints.store import CheckpointStore
from supervisor._reports.log import reporter
from supervisor.checkpoints import RunStatus
from supervisor.errors import LeaseLost, UsageError
from supervisor.testing import ScriptedAgent
from tests.unit.supervisor.outages import Faults, FaultyStore

pytestmark = pytest.mark.one_loop


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a store that is not there yet."""
    return f"sqlite:///{tmp_path}/runs.db"


class Pause:
    """A turn that waits until it may go on.

    Args:
        tidies: Whether it waits for that even where it is cancelled.
    """

    def __init__(self, *, tidies: bool = False) -> None:
        self.is_there, self.may_go_on = asyncio.Event(), asyncio.Event()
        self._tidies = tidies

    async def __call__(self, *_: object) -> str:
        """Take the turn."""
        self.is_there.set()
        try:
            await self.may_go_on.wait()
        finally:
            if self._tidies:
                await self.may_go_on.wait()
        return "last"


def _team(last: Any = "last", condition: TerminationCondition | None = None) -> RoundRobinGroupChat:
    members: list[Any] = [ScriptedAgent("a", ["first"]), ScriptedAgent("b", [last])]
    condition = condition or MaxMessageTermination(3)
    return RoundRobinGroupChat(members, termination_condition=condition)


def _contents(result: TaskResult | None) -> list[object]:
    assert result is not None
    return [getattr(item, "content", None) for item in result.messages]


def _kept(run: Run) -> KeptRun:
    return cast(KeptTeamAdapter, run._adapter)._kept


async def _logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert await asyncio.to_thread(reporter.flush, 5)
    return caplog.messages


async def test_a_run_that_writes_at_its_end_goes_on_from_there(url: str) -> None:
    """With "exit" no call is recorded, and nothing is written before; a stop loses nothing."""
    pause = Pause()
    async with Supervisor(checkpoints=url, durability="exit") as sup:
        run = sup.stream(_team(pause), "go", id="it")
        reading = asyncio.ensure_future(run)
        await pause.is_there.wait()
        assert [info.turn for info in await sup.runs.list()] == [0]
        run.stop()
        assert _contents(await reading) == ["go", "first"]
        assert [info.turn for info in await sup.runs.list()] == [1]
        assert _contents(await sup.stream(_team(), id="it")) == ["go", "first", "last"]


async def test_only_the_state_of_an_ended_run_is_loaded(url: str) -> None:
    """A run that can go on is refused, and the error says how to do that."""
    async with Supervisor(checkpoints=url) as sup:
        await sup.stream(_team(Pause()), "go", id="it", timeout=0.01)
        with pytest.raises(UsageError, match=r"'it' is stopped.*go on with it by stream"):
            await sup.runs.load(_team(), "it")


async def test_a_run_that_is_stopped_before_its_start_has_no_messages(url: str) -> None:
    """The store is not asked for it."""
    async with Supervisor(checkpoints=url) as sup:
        run = sup.stream(_team(), "go", id="it")
        run.stop("Too early")
        result = await run
        assert (result.messages, result.stop_reason) == ([], "Too early")
        assert await sup.runs.list() == []


# -- the store ----------------------------------------------------------------------------------


class Broken(FaultyStore):
    """A store whose disk is full, as its own library says it."""

    def clone(self) -> CheckpointStore:
        """Return another object with the same faults."""
        return cast(CheckpointStore, Broken(self._path, self.faults))

    def _fail(self) -> None:
        if self.faults.is_down:
            raise OSError("no space left")


@pytest.fixture
def faults() -> Faults:
    """Return what is wrong with the store."""
    return Faults()


@pytest.fixture
def store(tmp_path: Path, faults: Faults) -> CheckpointStore:
    """Return the store."""
    return cast(CheckpointStore, Broken(tmp_path / "runs.db", faults))


async def test_what_could_not_be_written_is_not_shown(
    store: CheckpointStore, faults: Faults
) -> None:
    """With "sync" an event that waits for a store which fails is in the result alone."""
    pause, shown = Pause(), list[object]()
    members: list[Any] = [ScriptedAgent("a", ["first", Pause()]), ScriptedAgent("b", [pause])]
    async with Supervisor(checkpoints=store, durability="sync") as sup:
        run = sup.stream(RoundRobinGroupChat(members), "go", id="it")

        async def read() -> None:
            async for event in run:
                shown.append(getattr(event, "content", None))
                if shown[-1] == "first":
                    faults.is_down = True
                    pause.may_go_on.set()

        with pytest.raises(OSError, match="no space left"):
            await read()
        faults.is_down = False
    assert shown == ["go", "first"]
    assert _contents(run.result) == ["go", "first", "last"]


async def test_an_end_that_the_store_does_not_take_fails_the_run(
    store: CheckpointStore, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    """The run has come to its end and raises why that is not kept, which is logged once."""
    caplog.set_level(logging.INFO, "supervisor")
    pause = Pause()
    async with Supervisor(checkpoints=store) as sup:
        run = sup.stream(_team(pause), "go", id="it")
        reading = asyncio.ensure_future(run)
        await pause.is_there.wait()
        faults.may_commit.clear()
        pause.may_go_on.set()
        while not _kept(run).is_ending:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)
        faults.is_down = True
        faults.may_commit.set()
        with pytest.raises(OSError, match="no space left"):
            await reading
        faults.is_down = False
    assert (await _logged(caplog)).count("store of runs unavailable") == 1
    assert _contents(run.result) == ["go", "first", "last"]


async def test_a_lease_that_is_lost_during_a_stop_does_not_change_how_the_run_ends(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The stop was first: the run has its result, and the loss is logged once."""
    caplog.set_level(logging.INFO, "supervisor")
    pause = Pause(tidies=True)
    async with Supervisor(checkpoints=url) as sup:
        run = sup.stream(_team(pause), "go", id="it")
        reading = asyncio.ensure_future(run)
        await pause.is_there.wait()
        run.stop("Enough")
        owned = _kept(run)._owned
        assert owned is not None
        owned.lose(LeaseLost("it"))  # as the thread does that renews leases
        while not owned.has_failed:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)
        pause.may_go_on.set()
        assert (await reading).stop_reason == "Enough"
    assert (await _logged(caplog)).count("lease lost") == 1


# -- the user's code ----------------------------------------------------------------------------


class Unwritable(BaseTextChatMessage):
    """A message of a user's that refuses to be data."""

    type: Literal["Unwritable"] = "Unwritable"

    def dump(self) -> Mapping[str, Any]:
        """Refuse."""
        raise ValueError("not for a store")


async def test_a_message_that_cannot_be_written_fails_the_run(url: str) -> None:
    """The run raises what the message has raised, and AutoGen's own code never meets it."""
    said = Unwritable(content="first", source="a")
    agents: list[Any] = [ScriptedAgent("a", [said]), ScriptedAgent("b", Pause())]
    team = RoundRobinGroupChat(agents, custom_message_types=[Unwritable])
    async with Supervisor(checkpoints=url) as sup:
        with pytest.raises(ValueError, match="not for a store"):
            await sup.stream(team, "go", id="it")
        [info] = await sup.runs.list()
    assert (info.status, info.error) == (RunStatus.FAILED, "ValueError: not for a store")


class Brief(BaseTextChatMessage):
    """A message of a user's that writes no id."""

    type: Literal["Brief"] = "Brief"

    def dump(self) -> Mapping[str, Any]:
        """Write what it says."""
        return {"content": self.content, "source": self.source}


async def test_a_message_without_an_id_is_shown_at_the_end(url: str) -> None:
    """With "sync" it cannot be found among what is written, until all of the run is."""
    said = Brief(content="first", source="a")
    agents: list[Any] = [ScriptedAgent("a", [said]), ScriptedAgent("b", ["last"])]
    team = RoundRobinGroupChat(agents, custom_message_types=[Brief], max_turns=2)
    async with Supervisor(checkpoints=url, durability="sync") as sup:
        shown = [event async for event in sup.stream(team, "go", id="it")]
    assert [getattr(it, "content", None) for it in shown] == ["go", "first", "last", None]


class Stubborn(MaxMessageTermination):
    """A condition of the user's that refuses to be reset after a stop."""

    def __init__(self) -> None:
        super().__init__(3)
        self.is_stopped, self.may_end = False, asyncio.Event()

    async def reset(self) -> None:
        """Never end."""
        while self.is_stopped and not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                continue
        await super().reset()


async def test_a_repair_that_refuses_to_end_gives_the_run_up(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The ladder bounds the user's code; whoever goes on puts the kept state into a fresh team."""
    pause, condition = Pause(), Stubborn()
    ladder = Ladder(drain=0.05, cancel=0.05, abandon=0.05)
    async with Supervisor(checkpoints=url, ladder=ladder, exits=False) as sup:
        run = sup.stream(_team(pause, condition), "go", id="it")
        reading = asyncio.ensure_future(run)
        await pause.is_there.wait()
        condition.is_stopped = True
        run.stop("Enough")
        assert (await reading).stop_reason == "Enough"
        while (await sup.runs.list())[0].status is RunStatus.RUNNING:
            pass
        condition.may_end.set()
        again = await sup.stream(_team(condition=Stubborn()), id="it")
    assert _contents(again) == ["go", "first", "last"]
    assert "not made consistent" in " ".join(await _logged(caplog))
