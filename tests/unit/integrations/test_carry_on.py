"""What `carry_on` makes of a run, by where the run stands in its store."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Team
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor, UsageError
from supervisor._checkpoints import integrity
from supervisor._checkpoints.snapshot import Snapshot
from supervisor._checkpoints.sqlite import SqliteStore
from supervisor._checkpoints.store import CheckpointStore, Commit, End, RunStatus
from supervisor._checkpoints.urls import open_store
from supervisor._supervisor.facade import parts_of
from supervisor.errors import StoreUnavailable
from supervisor.integrations._fleet import one_pass
from supervisor.integrations._fleet.one_pass import carry_all_on
from supervisor.integrations._fleet.outcomes import Outcome
from supervisor.integrations._fleet.plan import Plan
from supervisor.integrations.fleet import Done, Failed, HandedOver, Held, carry_on, submit
from supervisor.testing import ScriptedModel

pytestmark = [pytest.mark.blocks, pytest.mark.one_loop]  # the tests look into the store themselves

FOREVER = 3600.0


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a store that has the run "one", which is queued."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    assert submit(url, team(), "Talk", "one")
    return url


@pytest.fixture
def store(url: str) -> Generator[CheckpointStore]:
    """Return the store."""
    with closing(open_store(url)) as opened:
        opened.setup()
        yield opened


def team(model: ScriptedModel | None = None, turns: int = 2) -> Team:
    """Return two agents that talk."""
    model = model or ScriptedModel(lambda _: "Hm.")
    agents = [AssistantAgent(name, model) for name in ("odd", "even")]
    return RoundRobinGroupChat(list(agents), max_turns=turns)


def never() -> Team:
    """Fail the test: no team is needed."""
    raise AssertionError("a team was made")


async def test_a_queued_run_comes_to_its_end(url: str, store: CheckpointStore) -> None:
    """It gets the task that it was submitted with; afterwards it wants no owner any more."""
    async with Supervisor(signals={}, checkpoints=url) as sup:
        assert await carry_on(sup, team, "one") == Done(RunStatus.COMPLETED)
        assert await carry_on(sup, never, "one") == Done(RunStatus.COMPLETED)
    assert store.info("one").turn == 2


async def test_a_team_may_be_made_by_a_coroutine(url: str) -> None:
    """As one that has to ask a server first."""

    async def make() -> Team:
        await asyncio.sleep(0)
        return team()

    async with Supervisor(signals={}, checkpoints=url) as sup:
        assert await carry_on(sup, make, "one") == Done(RunStatus.COMPLETED)


async def test_what_is_over_or_not_there_is_left_alone(url: str, store: CheckpointStore) -> None:
    """Cancelled, forgotten, or at rest: a late hint does nothing."""
    async with Supervisor(signals={}, checkpoints=url) as sup:
        assert await carry_on(sup, never, "two") == Done(None)
        leave(store, End(status=RunStatus.STOPPED))
        assert await carry_on(sup, never, "one") == Done(RunStatus.STOPPED)
        store.request_cancel("one")
        assert await carry_on(sup, never, "one") == Done(RunStatus.CANCELLED)


@pytest.mark.parametrize("takes_locks", [True, False], ids=["locks", "leases"])
async def test_a_run_that_somebody_has_is_held(url: str, tmp_path: Path, takes_locks: bool) -> None:
    """No team is made; it is to be looked at again within a lease."""
    theirs = SqliteStore(tmp_path / "runs.db", url, takes_locks=takes_locks)
    with closing(theirs):
        theirs.acquire("one", "somebody", 15)
        async with Supervisor(signals={}, checkpoints=theirs, lease=3) as sup:
            outcome = await carry_on(sup, never, "one")
    assert isinstance(outcome, Held)
    assert 0 < outcome.retry_after <= 3


async def test_a_run_that_somebody_takes_meanwhile_is_held(
    url: str, store: CheckpointStore
) -> None:
    """Two workers may make a team for one run; the store says which of them has it."""

    def make() -> Team:
        store.acquire("one", "somebody", 15)
        return team()

    async with Supervisor(signals={}, checkpoints=url, lease=3) as sup:
        assert await carry_on(sup, make, "one") == Held(3)
    assert store.info("one").owner == "somebody"


async def test_a_stop_hands_the_run_over(url: str, store: CheckpointStore) -> None:
    """It is queued for another process, from its last finished turn."""
    begun = asyncio.Event()

    async def answer(_: object) -> str:
        begun.set()
        await asyncio.sleep(FOREVER)
        return "never"

    async with Supervisor(signals={}, checkpoints=url) as sup:
        task = asyncio.create_task(carry_on(sup, lambda: team(ScriptedModel(answer)), "one"))
        await begun.wait()
        sup.stop("enough")
        assert await task == HandedOver()
        assert await carry_on(sup, team, "one") == HandedOver()
    info = store.info("one")
    assert (info.status, info.failures) == (RunStatus.QUEUED, 0)


async def test_an_error_is_counted_until_the_run_rests(url: str, store: CheckpointStore) -> None:
    """It is queued again, and FAILED after the last attempt, with what the agent has raised."""

    def broken() -> Team:
        return team(ScriptedModel([ValueError("out of order")] * 9))

    async with Supervisor(signals={}, checkpoints=url) as sup:
        found = [await carry_on(sup, broken, "one", attempts=2) for _ in range(2)]
        assert await carry_on(sup, never, "one", attempts=2) == Done(RunStatus.FAILED)
    assert [facts(outcome) for outcome in found] == [(1, False), (2, True)]
    assert store.info("one").error == "ValueError: out of order"


async def test_an_error_of_who_makes_the_team_counts_too(url: str, store: CheckpointStore) -> None:
    """Although nobody has had the run then."""

    def broken() -> Team:
        raise OSError("no such tool")

    async with Supervisor(signals={}, checkpoints=url) as sup:
        found = [await carry_on(sup, broken, "one", attempts=2) for _ in range(2)]
    assert [facts(outcome) for outcome in found] == [(1, False), (2, True)]
    assert store.info("one").error == "OSError: no such tool"


async def test_a_run_of_another_team_rests_at_once(url: str, store: CheckpointStore) -> None:
    """Each attempt would meet the same; a person has to see to it."""

    def other() -> Team:
        return RoundRobinGroupChat([AssistantAgent("else", ScriptedModel())])

    async with Supervisor(signals={}, checkpoints=url) as sup:
        outcome = await carry_on(sup, other, "one")
    assert facts(outcome) == (1, True)
    info = store.info("one")
    assert info.status is RunStatus.FAILED
    assert "RunMismatch" in str(info.error)
    assert "'odd' was in" in str(info.error)


async def test_a_run_that_ends_its_owners_rests(url: str, store: CheckpointStore) -> None:
    """That an owner died without a finished turn is an error like others."""
    for number in range(2):
        with closing(open_store(url)) as dying:
            assert dying.acquire("one", f"owner {number}", 15).fence is not None
    async with Supervisor(signals={}, checkpoints=url) as sup:
        outcome = await carry_on(sup, never, "one", attempts=2)
    assert isinstance(outcome, Failed)
    assert outcome.is_at_rest
    assert "died" in str(store.info("one").error)


async def test_workers_have_names_of_their_own_from_the_start(url: str) -> None:
    """Two whose teams cannot be made, before they have taken any run, are not taken for one."""

    def broken() -> Team:
        raise OSError("no such tool")

    async with Supervisor(signals={}, checkpoints=url) as sup:
        assert facts(await carry_on(sup, broken, "one")) == (1, False)
        assert parts_of(sup).keeping.runs("it").owner.startswith(f"{socket.gethostname()}/")


async def test_a_damaged_run_rests(url: str, store: CheckpointStore, tmp_path: Path) -> None:
    """Nothing can be noted of it, and no worker ends with it or asks for it again."""
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        connection.execute("UPDATE sv_run SET turn = 'x'")
        connection.commit()
    async with Supervisor(signals={}, checkpoints=url) as sup:
        outcome = await carry_on(sup, never, "one")
    assert facts(outcome) == (0, True)
    assert store.wanting() == []


async def test_a_run_of_a_newer_version_is_left_to_that(
    url: str, store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While workers are replaced, an old one neither fails the run nor ends with it."""
    with monkeypatch.context() as newer:
        newer.setattr(integrity, "STATE_FORMAT", integrity.STATE_FORMAT + 1)
        sealed = integrity.Sealer("one").seal(Snapshot(turn=0, changes=(), lengths={}, rest={}))
    store.note_fleet()
    end = End(status=RunStatus.QUEUED)
    leave(store, end, state=sealed.state, digest=sealed.digest)
    async with Supervisor(signals={}, checkpoints=url, lease=7) as sup:
        assert await carry_on(sup, team, "one") == Held(7)
    assert store.info("one").status is RunStatus.QUEUED


async def test_a_supervisor_without_a_store_carries_nothing_on() -> None:
    """The error says what to give."""
    async with Supervisor(signals={}) as sup:
        with pytest.raises(UsageError, match="checkpoints="):
            await carry_on(sup, never, "one")


def test_a_run_is_submitted_once(url: str, store: CheckpointStore) -> None:
    """One of the same id is left as it is."""
    assert not submit(url, team(turns=5), "Something else", "one")
    assert "Talk" in store.load("one").task


def leave(
    store: CheckpointStore, end: End, state: str | None = None, digest: str | None = None
) -> None:
    """Take the run, and leave it."""
    fence = store.acquire("one", "somebody", 15).fence
    assert fence is not None
    store.commit("one", fence, Commit(expects=0, turn=0, end=end, state=state, digest=digest))


def facts(outcome: object) -> tuple[int, bool]:
    """Return how many failures there were, and whether the run rests."""
    assert isinstance(outcome, Failed)
    return outcome.failures, outcome.is_at_rest


async def test_a_run_that_is_cancelled_as_its_team_fails(url: str, store: CheckpointStore) -> None:
    """Nobody is told of a failure: the run is over."""

    def broken() -> Team:
        store.request_cancel("one")
        raise OSError("no such tool")

    async with Supervisor(signals={}, checkpoints=url) as sup:
        assert await carry_on(sup, broken, "one") == Done(RunStatus.CANCELLED)


class Told:
    """What a worker reports."""

    def __init__(self) -> None:
        self.outcomes: dict[str, object] = {}
        self.problems: list[str] = []
        self.on_problem: Callable[[], object] = lambda: None

    def at_work(self) -> None:
        """Take no note."""

    def ended(self, run_id: str, outcome: object, pause: float | None) -> None:
        """Note what has become of a run."""
        self.outcomes[run_id] = outcome

    def unavailable(self, problem: str) -> None:
        """Note why the store cannot be used."""
        self.problems.append(problem)
        self.on_problem()


def plan(concurrency: int = 1) -> Plan:
    """Return a plan with a first pause of two seconds."""
    return Plan(concurrency=concurrency, attempts=5, first_pause=2.0, longest_pause=8.0)


async def test_a_stop_waits_for_all_that_is_handed_over(url: str, store: CheckpointStore) -> None:
    """One pass over a store in a file ends when each run that it has taken is queued again."""
    assert submit(url, team(), "Talk", "two")
    begun = asyncio.Semaphore(0)
    told = Told()

    async def answer(_: object) -> str:
        begun.release()
        await asyncio.sleep(FOREVER)
        return "never"

    async with Supervisor(signals={}, checkpoints=url) as sup:
        work = asyncio.create_task(
            carry_all_on(sup, lambda: team(ScriptedModel(answer)), plan(2), told)
        )
        for _ in range(2):
            await begun.acquire()
        sup.stop("enough")
        await work
    assert told.outcomes == {"one": HandedOver(), "two": HandedOver()}
    assert [store.info(name).status for name in ("one", "two")] == [RunStatus.QUEUED] * 2


async def test_what_cannot_be_handed_over_is_the_workers_error(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that goes away while a worker stops is told of, as at any other time."""
    begun = asyncio.Event()

    async def carry_until_stop(sup: Supervisor, *_: object, attempts: int) -> Outcome:
        begun.set()
        await sup.wait_stop()
        raise StoreUnavailable(url, f"after {attempts} attempts")

    monkeypatch.setattr(one_pass, "carry_on", carry_until_stop)
    async with Supervisor(signals={}, checkpoints=url) as sup:
        work = asyncio.create_task(carry_all_on(sup, never, plan(), Told()))
        await begun.wait()
        sup.stop("enough")
        with pytest.raises(StoreUnavailable, match="after 5 attempts"):
            await work


async def test_a_run_that_is_taken_from_its_worker_is_held(
    url: str, store: CheckpointStore, tmp_path: Path
) -> None:
    """Whoever has it by now goes on with it; this worker looks again after a lease."""

    async def answer(_: object) -> str:
        with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
            connection.execute("UPDATE sv_run SET fence = fence + 1")
            connection.commit()
        return "late"

    async with Supervisor(signals={}, checkpoints=url, lease=7) as sup:
        assert await carry_on(sup, lambda: team(ScriptedModel(answer)), "one") == Held(7)
    assert store.info("one").turn == 0


async def test_a_queue_that_is_away_is_told_of_and_tried_again(url: str) -> None:
    """A worker whose database does not answer goes on trying until it is stopped."""
    pytest.importorskip("asyncpg")
    from supervisor.integrations._fleet.worker import Worker

    told = Told()
    async with Supervisor(signals={}, checkpoints=url) as sup:
        told.on_problem = lambda: sup.stop("enough")
        await Worker(sup, "postgresql://127.0.0.1:1/none", team, plan(), told).work()
    assert len(told.problems) == 1
    assert told.problems[0]


async def test_when_a_worker_looks_at_a_run_again(url: str) -> None:
    """At once what was handed over, later what has failed, and never what is over or rests."""
    pytest.importorskip("asyncpg")
    from supervisor.integrations._fleet.worker import Worker

    async with Supervisor(signals={}, checkpoints=url) as sup:
        worker = Worker(sup, "postgresql://127.0.0.1:1/none", team, plan(), Told())
        error = ValueError()
        outcomes: dict[Outcome, float | None] = {
            HandedOver(): 0.0,
            Held(7): 7,
            Failed(error, 2, is_at_rest=False): 4.0,
            Failed(error, 2, is_at_rest=True): None,
            Done(RunStatus.COMPLETED): None,
        }
        for outcome, pause in outcomes.items():
            assert worker._pause(outcome) == pause
