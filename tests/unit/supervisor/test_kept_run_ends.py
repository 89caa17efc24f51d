"""How runs with an id are stopped, go on, fail and are lost; within one process."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Ladder, Run, Rung, StopRequest, Supervisor, supervise
from supervisor._autogen.checkpoints.capture import Capture
from supervisor._checkpoints.store import Commit, End, NewRun
from supervisor._checkpoints.urls import open_store
from supervisor._cli.run.time_limit import TimeLimit
from supervisor._core.run_state import Phase
from supervisor._reports.log import reporter
from supervisor._signals.registry import registry
from supervisor.checkpoints import RunInfo, RunStatus
from supervisor.errors import LeaseLost, Quarantined, RunHeld, RunMismatch, StoreUnavailable
from supervisor.testing import ScriptedAgent
from tests.unit.autogen.checks import adapter_in
from tests.unit.supervisor.outages import faulty_store

QUICK = Ladder(drain=0.05, cancel=0.05, abandon=0.05)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a store that is not there yet."""
    return f"sqlite:///{tmp_path}/runs.db"


class Talk:
    """A team of two, whose second speaker waits until it may go on."""

    def __init__(self, *, is_slow: bool = True) -> None:
        self.is_waiting = asyncio.Event()
        self.may_go_on = asyncio.Event()
        if not is_slow:
            self.may_go_on.set()
        self.team = RoundRobinGroupChat(
            [ScriptedAgent("writer"), ScriptedAgent("critic", self._criticise)],
            termination_condition=MaxMessageTermination(6),
        )

    async def _criticise(self, heard: Any, _token: object) -> str:
        self.is_waiting.set()
        await self.may_go_on.wait()
        return f"After {len(heard)}"


def contents(result: TaskResult | None) -> list[object]:
    """Return what was said in a run."""
    assert result is not None
    return [getattr(item, "content", None) for item in result.messages]


async def info_of(sup: Supervisor) -> RunInfo:
    """Return what the store tells of the only run."""
    [info] = await sup.runs.list()
    return info


async def finished(sup: Supervisor) -> list[object]:
    """Go on with the run to its end, and return what was said in it."""
    return contents(await sup.stream(Talk(is_slow=False).team, id="talk"))


async def in_one_go() -> list[object]:
    """Return what the team says without a stop."""
    return contents(await supervise(Talk(is_slow=False).team, "Talk"))


async def test_a_time_limit_counts_for_each_call(url: str) -> None:
    """A run that its time limit has stopped is at rest, and goes on with the next call."""
    async with Supervisor(checkpoints=url) as sup:
        stopped = await sup.stream(Talk().team, "Talk", id="talk", timeout=0.05)
        assert stopped.stop_reason == "Stopped after 0.05 s"
        assert (await info_of(sup)).status is RunStatus.STOPPED
        assert await finished(sup) == await in_one_go()
        assert (await info_of(sup)).attempts == 2


async def test_a_loop_that_is_left_gives_the_run_up(url: str) -> None:
    """After `break` the run is at rest once it has settled."""
    async with Supervisor(checkpoints=url) as sup:
        async for _ in sup.stream(Talk().team, "Talk", id="talk"):
            break
        assert await finished(sup) == await in_one_go()


async def test_a_caller_that_is_cancelled_gives_the_run_up(url: str) -> None:
    """The cancellation is raised once the run is at rest."""
    async with Supervisor(checkpoints=url) as sup:
        talk = Talk()
        task = asyncio.create_task(sup.stream(talk.team, "Talk", id="talk"))
        await talk.is_waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await info_of(sup)).status is RunStatus.STOPPED
        assert await finished(sup) == await in_one_go()


async def test_the_same_team_goes_on_too(url: str) -> None:
    """In one process the team that was stopped goes on as well as one that was built anew."""
    async with Supervisor(checkpoints=url) as sup:
        talk = Talk()
        run = sup.stream(talk.team, "Talk", id="talk")
        task = asyncio.create_task(run)
        await talk.is_waiting.wait()
        run.stop()
        await task
        talk.may_go_on.set()
        result = await sup.stream(talk.team, "Talk", id="talk")
        assert contents(result) == await in_one_go()


async def test_a_stop_of_the_supervisor_is_one_of_the_process(url: str) -> None:
    """Where a fleet serves the store, such a run is queued; and stopped where none does."""
    for has_fleet in (False, True):
        async with Supervisor(checkpoints=url) as sup:
            if has_fleet:
                runs = sup._parts.keeping.runs("a test")
                await runs.call(lambda store: store.note_fleet())
            talk = Talk()
            task = asyncio.create_task(sup.stream(talk.team, "Talk", id="talk"))
            await talk.is_waiting.wait()
            sup.stop("Going down")
            await task
            info = await info_of(sup)
        assert info.status is (RunStatus.QUEUED if has_fleet else RunStatus.STOPPED)
        assert info.stop_reason == "Going down"


async def test_a_stop_of_one_run_leaves_it_at_rest_in_a_fleet_too(url: str) -> None:
    """What its own program has stopped alone is nothing that a fleet should take up."""
    async with Supervisor(checkpoints=url) as sup:
        runs = sup._parts.keeping.runs("a test")
        await runs.call(lambda store: store.note_fleet())
        talk = Talk()
        run = sup.stream(talk.team, "Talk", id="stopped")
        task = asyncio.create_task(run)
        await talk.is_waiting.wait()
        run.stop()
        await task
        await sup.stream(Talk().team, "Talk", id="late", timeout=0.05)
        async for _ in sup.stream(Talk().team, "Talk", id="left"):
            break
        cancelled = asyncio.create_task(sup.stream(Talk().team, "Talk", id="cancelled"))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        while await sup.runs.list(status="running"):
            pass
        assert {info.status for info in await sup.runs.list()} == {RunStatus.STOPPED}


def _ctrl_c(sup: Supervisor, _run: object) -> None:
    now = registry.clock.now()
    sup._parts.escalation.on_signal(signal.SIGINT, now, now)


def _signal_while_it_drains(sup: Supervisor, run: Run) -> None:
    run.drain()
    asyncio.get_running_loop().call_soon(sup.stop, "Going down")


def _stop_after_a_signal(sup: Supervisor, run: Run) -> None:
    # As in a handler: it is known at once, and carried out in the loop's next step.
    sup._parts.stop.ask(StopRequest(reason="Stopped by SIGTERM", rung=Rung.CANCEL))
    asyncio.get_running_loop().call_soon(sup.stop)
    run.stop()


def _token(_sup: Supervisor, run: Run) -> None:
    adapter_in(run).context.token.cancel()


def _time_limit(sup: Supervisor, _run: object) -> None:
    TimeLimit(sup, 0.01).start()


def _drain_all(sup: Supervisor, _run: object) -> None:
    sup.stop(rung="DRAIN")


@pytest.mark.parametrize(
    ("stop", "status"),
    [
        (_ctrl_c, RunStatus.STOPPED),
        (_token, RunStatus.STOPPED),
        (_signal_while_it_drains, RunStatus.STOPPED),
        (_time_limit, RunStatus.STOPPED),
        (_stop_after_a_signal, RunStatus.QUEUED),
        (_drain_all, RunStatus.QUEUED),
    ],
)
async def test_what_stops_a_run_first_decides_what_becomes_of_it_in_a_fleet(
    url: str, stop: Callable[[Supervisor, Run], object], status: RunStatus
) -> None:
    """A fleet takes up what the end of a process has stopped, and nothing else."""
    ladder = Ladder(drain=0.1)
    async with Supervisor(checkpoints=url, ladder=ladder, interactive=stop is _ctrl_c) as sup:
        runs = sup._parts.keeping.runs("a test")
        await runs.call(lambda store: store.note_fleet())
        talk = Talk()
        run = sup.stream(talk.team, "Talk", id="talk")
        task = asyncio.create_task(run)
        await talk.is_waiting.wait()
        stop(sup, run)
        await task
        assert (await info_of(sup)).status is status


def nested_talk(pen: ScriptedAgent) -> RoundRobinGroupChat:
    """Return a team whose first member is a team, of a writer and this one."""
    inner = RoundRobinGroupChat([ScriptedAgent("writer"), pen], name="inner", max_turns=2)
    return RoundRobinGroupChat([inner, ScriptedAgent("critic")], max_turns=4)


async def test_a_drain_shows_nothing_of_earlier_processes(url: str) -> None:
    """What a team within the team has said before is in the result, and no event."""
    shown: list[list[Any]] = []
    async with Supervisor(checkpoints=url) as sup:
        for is_last in (False, True):
            begun, go_on = asyncio.Event(), asyncio.Event()

            async def wait(
                *_: Any, begun: asyncio.Event = begun, go_on: asyncio.Event = go_on
            ) -> str:
                begun.set()
                await go_on.wait()
                return "Done"

            run = sup.stream(nested_talk(ScriptedAgent("pen", [wait])), "Talk", id="talk")
            events = asyncio.create_task(_sources(run))
            await begun.wait()
            if is_last:
                run.drain("Enough")
                go_on.set()
            else:
                run.stop("Enough")
            shown.append(await events)
    assert shown[1] == ["pen"]


async def _sources(run: Run[Any, Any]) -> list[Any]:
    return [event.source async for event in run if hasattr(event, "source")]


def put_session(url: str) -> None:
    """Put a session of `chat` into a store."""
    session = NewRun(team="chat team.py:team", shape='["writer", "critic"]', task="{}")
    with closing(open_store(url)) as store:
        store.setup()
        fence = store.acquire("talk", "a chat", 15.0, new=session).fence
        assert fence is not None
        end = End(status=RunStatus.STOPPED)
        store.commit("talk", fence, Commit(expects=0, turn=0, end=end))


@pytest.mark.parametrize("allow_changed", [False, True])
async def test_a_session_of_chat_is_refused(url: str, *, allow_changed: bool) -> None:
    """It is no run: whoever names it as one leaves it as it was."""
    await asyncio.to_thread(put_session, url)
    async with Supervisor(checkpoints=url) as sup:
        with pytest.raises(RunMismatch, match="'talk' is no run: it is a session"):
            await sup.stream(Talk().team, id="talk", allow_changed=allow_changed)
        assert (await info_of(sup)).status is RunStatus.STOPPED


async def test_another_task_or_team_is_refused(url: str) -> None:
    """The error names the difference, the run stays as it was, and `allow_changed` goes on."""
    async with Supervisor(checkpoints=url) as sup:
        talk = Talk()
        run = sup.stream(talk.team, "Talk", id="talk")
        task = asyncio.create_task(run)
        await talk.is_waiting.wait()
        run.stop("Enough")
        await task
        with pytest.raises(RunMismatch, match=r"another task.*'Sing'"):
            await sup.stream(Talk().team, "Sing", id="talk")
        other = RoundRobinGroupChat([ScriptedAgent("writer"), ScriptedAgent("painter")])
        with pytest.raises(RunMismatch, match=r"another team.*'critic'"):
            await sup.stream(other, "Talk", id="talk")
        info = await info_of(sup)
        assert (info.status, info.stop_reason) == (RunStatus.STOPPED, "Enough")
        talk = Talk(is_slow=False)
        result = await sup.stream(talk.team, "Sing", id="talk", allow_changed=True)
        assert contents(result) == await in_one_go()


async def test_who_waits_gets_a_run_once_it_is_free(url: str) -> None:
    """`wait=` waits for the owner, and a stop ends the waiting."""
    async with Supervisor(checkpoints=url) as sup, Supervisor(checkpoints=url) as other:
        talk = Talk()
        task = asyncio.create_task(sup.stream(talk.team, "Talk", id="talk"))
        await talk.is_waiting.wait()
        with pytest.raises(RunHeld):
            await other.stream(Talk().team, id="talk", wait=0.1)
        stopped = other.stream(Talk().team, id="talk", wait=60, timeout=0.1)
        assert contents(await stopped) == []
        waiting = asyncio.create_task(other.stream(Talk().team, id="talk", wait=60))
        talk.may_go_on.set()
        assert await waiting == await task


class Stubborn(ScriptedAgent):
    """An agent that no cancellation ends."""

    def __init__(self) -> None:
        super().__init__("stubborn", self._refuse)
        self.is_waiting, self.may_end = asyncio.Event(), asyncio.Event()

    async def _refuse(self, _heard: object, _token: object) -> str:
        self.is_waiting.set()
        while not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                continue
        return "late"


async def test_what_refuses_to_end_keeps_its_run_and_nobody_waits(url: str) -> None:
    """A team in quarantine is not released: its tool may still be at work."""
    agent = Stubborn()
    async with Supervisor(checkpoints=url, ladder=QUICK, exits=False) as sup:
        run = sup.stream(agent, "Talk", id="talk")
        task = asyncio.create_task(run)
        await agent.is_waiting.wait()
        run.stop()
        with pytest.raises(Quarantined):
            await task
        assert (await info_of(sup)).status is RunStatus.RUNNING
        with pytest.raises(RunHeld):
            await sup.stream(ScriptedAgent("stubborn", ["early"]), "Talk", id="talk")
        agent.may_end.set()


async def test_what_refuses_to_end_loses_its_run_with_its_lease(tmp_path: Path) -> None:
    """Where a lease tells of owners, somebody else goes on, and the late one writes nothing."""
    path = tmp_path / "runs.db"
    stubborn_store, _ = faulty_store(path)
    store, _ = faulty_store(path)
    talk, agent = Talk(), Stubborn()
    talk.team = RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(2))
    async with Supervisor(checkpoints=stubborn_store, ladder=QUICK, lease=0.3, exits=False) as late:
        run = late.stream(talk.team, "Talk", id="talk")
        task = asyncio.create_task(run)
        await agent.is_waiting.wait()
        run.stop()
        with pytest.raises(Quarantined):
            await task
        async with Supervisor(checkpoints=store) as sup:
            team = RoundRobinGroupChat(
                [ScriptedAgent("stubborn", ["early"])],
                termination_condition=MaxMessageTermination(2),
            )
            result = await sup.stream(team, id="talk", wait=20, allow_changed=True)
            assert contents(result) == ["Talk", "early"]
            agent.may_end.set()
            assert contents(await sup.stream(team, id="talk", allow_changed=True))[1] == "early"


@pytest.mark.parametrize("is_patient", [True, False])
async def test_a_stop_while_a_run_is_being_taken(tmp_path: Path, *, is_patient: bool) -> None:
    """What the store gives after the stop is given back; the ladder bounds the wait for it."""
    store, faults = faulty_store(tmp_path / "runs.db")
    ladder = Ladder() if is_patient else QUICK
    async with Supervisor(checkpoints=store, ladder=ladder, exits=False) as sup:
        faults.may_acquire.clear()
        run = sup.stream(Talk().team, "Talk", id="talk")
        task = asyncio.create_task(run)
        assert await asyncio.to_thread(faults.is_asked.wait, 10)
        run.stop()
        if is_patient:
            faults.may_acquire.set()
        assert contents(await task) == []
        faults.may_acquire.set()
        info = await info_of(sup)
        while info.status is RunStatus.RUNNING:
            info = await info_of(sup)
        assert (info.status, info.owner) == (RunStatus.STOPPED, None)
        assert await finished(sup) == await in_one_go()


async def test_a_store_that_stands_still_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    """The ladder bounds the wait for the store, and the result of a stopped run is given."""
    store, faults = faulty_store(tmp_path / "runs.db")
    async with Supervisor(checkpoints=store, ladder=QUICK, exits=False) as sup:
        talk = Talk()
        run = sup.stream(talk.team, "Talk", id="talk")
        task = asyncio.create_task(run)
        await talk.is_waiting.wait()
        faults.may_commit.clear()
        run.stop()
        async with asyncio.timeout(10):
            assert (await task).stop_reason == "Stopped"
        faults.may_commit.set()
    assert task.done()


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_nor_does_it_hold_up_who_stops_a_run_that_has_ended(
    tmp_path: Path, *, is_cancelled: bool
) -> None:
    """A run that waits for its store alone is stopped as any; who stops waiting gets away."""
    store, faults = faulty_store(tmp_path / "runs.db")
    faults.may_commit.clear()
    async with Supervisor(checkpoints=store, ladder=QUICK, signals={}) as sup:
        run = sup.stream(ScriptedAgent("writer", ["One"]), "Talk", id="talk")
        task = asyncio.ensure_future(run)
        while run.phase is not Phase.STOPPING:  # noqa: ASYNC110 - it is told to nobody
            await asyncio.sleep(0.001)
        (task.cancel if is_cancelled else run.stop)()
        await asyncio.wait([task], timeout=10)
        faults.may_commit.set()
        assert isinstance(run.error, StoreUnavailable)
        assert task.cancelled() if is_cancelled else task.exception() is run.error
        assert contents(run.result) == ["Talk", "One"]


async def test_without_its_store_a_run_is_stopped_before_its_lease_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The run raises StoreUnavailable, and goes on later; both are logged."""
    caplog.set_level(logging.INFO, "supervisor")
    store, faults = faulty_store(tmp_path / "runs.db")
    async with Supervisor(checkpoints=store, lease=0.4, ladder=QUICK) as sup:
        talk = Talk()
        task = asyncio.create_task(sup.stream(talk.team, "Talk", id="talk"))
        await talk.is_waiting.wait()
        while not (await info_of(sup)).turn:  # what the first speaker has said is written
            pass
        faults.is_down = True
        with pytest.raises(StoreUnavailable):
            await task
        faults.is_down = False
        assert await finished(sup) == await in_one_go()
    assert await asyncio.to_thread(reporter.flush, 5)
    assert {"store of runs unavailable", "run continued"} <= set(caplog.messages)


async def test_a_run_whose_lease_was_lost_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who was late finds its run taken over, is cancelled, and writes nothing of it."""
    path = tmp_path / "runs.db"
    late_store, faults = faulty_store(path)
    store, _ = faulty_store(path)
    async with (
        Supervisor(checkpoints=late_store, lease=0.3) as late,
        Supervisor(checkpoints=store) as sup,
    ):
        talk = Talk()
        task = asyncio.create_task(late.stream(talk.team, "Talk", id="talk"))
        await talk.is_waiting.wait()
        faults.may_renew.clear()
        said = contents(await sup.stream(Talk(is_slow=False).team, id="talk", wait=20))
        faults.may_renew.set()
        talk.may_go_on.set()
        with pytest.raises(LeaseLost):
            await task
        assert said == await in_one_go()
        assert contents(await sup.stream(Talk().team, id="talk")) == said
    assert await asyncio.to_thread(reporter.flush, 5)
    [lost] = [record for record in caplog.records if record.message == "lease lost"]
    assert lost.__dict__["run_id"] == "talk"


async def test_an_end_that_cannot_be_written_down_fails_the_run(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the end is no data, the run fails and is given up: nobody waits for it for ever."""

    def refuse(_capture: object, _result: object) -> None:
        raise TypeError("no such value in JSON")

    monkeypatch.setattr(Capture, "end", refuse)
    async with Supervisor(checkpoints=url) as sup:
        with pytest.raises(TypeError, match="no such value"):
            await sup.stream(Talk(is_slow=False).team, "Talk", id="talk")
        info = await info_of(sup)
    assert (info.status, info.error) == (RunStatus.FAILED, "TypeError: no such value in JSON")


async def test_an_ended_run_begins_a_new_conversation(url: str) -> None:
    """`runs.load` puts the state of a run that has ended into a team."""
    async with Supervisor(checkpoints=url) as sup:
        talk, other = Talk(is_slow=False), Talk(is_slow=False)
        await sup.stream(talk.team, "Talk", id="talk")
        await sup.runs.load(other.team, "talk")
        assert await other.team.save_state() == await talk.team.save_state()


async def test_messages_are_held_back_until_they_are_written(tmp_path: Path) -> None:
    """With "sync" no message is shown while the store does not write."""
    store, faults = faulty_store(tmp_path / "runs.db")
    async with Supervisor(checkpoints=store, durability="sync") as sup:
        talk = Talk()
        faults.may_commit.clear()
        run = sup.stream(talk.team, "Talk", id="talk")
        events = aiter(run)
        first = asyncio.ensure_future(anext(events))
        await talk.is_waiting.wait()
        await asyncio.sleep(0)
        assert not first.done()
        faults.may_commit.set()
        await first
        talk.may_go_on.set()
        rest = [event async for event in events]
        assert contents(rest[-1]) == await in_one_go()  # type: ignore[arg-type]
        assert 1 + len(rest) == 6 + 1
