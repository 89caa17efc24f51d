"""A fleet: real workers on a real PostgreSQL, which are stopped, killed and told lies."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from autogen_agentchat.base import Team
from autogen_agentchat.teams import RoundRobinGroupChat
from pgqueuer.domain.errors import FailingListenerError

from examples.fleet.postgres_server import PostgresServer
from supervisor import Supervisor
from supervisor.checkpoints import RunStatus
from supervisor.integrations._fleet.hints import open_hints
from supervisor.integrations._fleet.outcomes import Outcome
from supervisor.integrations._fleet.plan import Plan
from supervisor.integrations._fleet.worker import Worker
from supervisor.integrations.fleet import Done, submit
from supervisor.testing import ScriptedAgent
from tests.checkpoints import fleet_teams
from tests.checkpoints.fleets import LEASE, Fleet, fleet
from tests.process.harness import Child, Server

pytestmark = [pytest.mark.process, pytest.mark.blocks, pytest.mark.timeout(120)]

HAND_OVERS = 5
PATIENCE = 30.0  # seconds for what comes at once, unless something hangs
# A turn that has ended is taken again if its worker loses its lease, or the time of its drain is
# over, before it is kept: on a slow machine one or the other can be.
UNHURRIED = ("--lease", "20", "--drain", "30")
SLOW_TURN = LEASE + 1.0  # seconds: longer than a worker may be silent


@pytest.fixture
def workers(server: Server, postgres_url: str) -> Generator[Fleet]:
    """Return a fleet whose turns are short."""
    with fleet(server, postgres_url) as made:
        yield made


@pytest.fixture
def slow_workers(server: Server, postgres_url: str) -> Generator[Fleet]:
    """Return a fleet whose turns take longer than a lease."""
    with fleet(server, postgres_url, turn_seconds=SLOW_TURN) as made:
        yield made


def hand_over(old: Child, new: Child, number: int) -> float:
    """End a worker that has the run; return the seconds until another's first turn."""
    at = old.signal(number)
    return float(new.until("begins")["at"]) - at


def turns(child: Child, what: str) -> list[int]:
    """Return the turns that began or ended in a child, once that has ended."""
    return [fact["turn"] for fact in child.facts(what)]


def test_a_stopped_worker_hands_over(workers: Fleet) -> None:
    """Five times: another one goes on with the next turn, and none is taken twice."""
    found = [workers.start(*UNHURRIED)]
    workers.submit("long")
    found[0].until("begins")
    for _ in range(HAND_OVERS):
        found.append(workers.start(*UNHURRIED))
        hand_over(found[-2], found[-1], signal.SIGTERM)
        assert found[-2].wait() == -signal.SIGTERM, found[-2].story()
        assert "is handed over" in found[-2].stderr
    found[-1].signal(signal.SIGTERM)
    found[-1].wait()
    ended = [turn for child in found for turn in turns(child, "ends")]
    assert ended == list(range(len(ended))), workers.story()
    assert len(ended) > HAND_OVERS
    assert workers.store.info("long").turn == len(ended)


def test_a_killed_worker_is_noticed(workers: Fleet) -> None:
    """Nobody was told: once its lease is over, another one goes on from its last finished turn."""
    old = workers.start()
    workers.submit("long")
    old.until("ends")
    new = workers.start()
    old.signal(signal.SIGKILL)
    old.wait()
    finished = workers.store.info("long").turn  # its lease is not over yet
    assert new.until("begins")["turn"] == finished


@pytest.mark.parametrize("seconds", [SLOW_TURN, pytest.param(10.0, marks=pytest.mark.soak)])
def test_a_long_drain_is_not_stolen(server: Server, postgres_url: str, seconds: float) -> None:
    """The turn takes longer than a lease and a heartbeat: the owner finishes it, nobody else."""
    with fleet(server, postgres_url, turn_seconds=seconds) as workers:
        old = workers.start("--drain", "30")
        workers.submit("slow")
        first = old.until("begins")["turn"]
        new = workers.start()
        old.signal(signal.SIGTERM)
        assert new.until("begins")["turn"] == first + 1
        assert old.wait() == -signal.SIGTERM
        assert turns(old, "ends") == [first]


class UntilFirst:
    """Has a worker stop once it has carried a run on."""

    def __init__(self, sup: Supervisor) -> None:
        self.sup = sup
        self.ends = list[tuple[str, Outcome]]()

    def at_work(self) -> None:
        """Take no note."""

    def ended(self, run_id: str, outcome: Outcome, pause: float | None) -> None:
        """Note what has become of it."""
        self.ends.append((run_id, outcome))
        self.sup.stop("enough")

    def unavailable(self, problem: str) -> None:
        """Fail the test."""
        raise AssertionError(problem)


def test_a_lost_hint_is_put_again(postgres_url: str) -> None:
    """A worker's sweep finds a run of which no hint tells."""

    def make() -> Team:
        return RoundRobinGroupChat([ScriptedAgent("writer", ["One"])], max_turns=1)

    async def work() -> list[tuple[str, Outcome]]:
        async with Supervisor(signals={}, checkpoints=postgres_url) as sup:
            report, plan = (
                UntilFirst(sup),
                Plan(concurrency=1, attempts=5, first_pause=1.0, longest_pause=300.0),
            )
            await Worker(sup, postgres_url, make, plan, report).work()
        return report.ends

    submit(postgres_url, make(), "Talk", "unheard")
    ends = asyncio.run(asyncio.wait_for(work(), PATIENCE))
    assert ends == [("unheard", Done(RunStatus.COMPLETED))]


def test_an_id_of_any_characters_finds_a_worker(workers: Fleet) -> None:
    """As one whose bytes are no UTF-8, from a command line; nor does it hide the runs behind it."""
    submit(workers.url, fleet_teams.talkers(), "Talk", "odd \udcff\0")
    submit(workers.url, fleet_teams.talkers(), "Talk", "unheard")
    workers.start("--concurrency", "2")
    workers.until(lambda: workers.store.info("odd \udcff\0").turn > 0)
    workers.until(lambda: workers.store.info("unheard").turn > 0)


def test_a_doubled_hint_does_no_harm(workers: Fleet) -> None:
    """Each turn is taken by one worker, and the other ones leave the run alone."""
    found = [workers.start(), workers.start()]
    workers.submit("twin")
    with psycopg.connect(workers.url, autocommit=True) as database:
        database.execute(
            "INSERT INTO sv_pgqueuer (priority, status, entrypoint, payload) "
            "VALUES (0, 'queued', 'carry_on', 'twin'), (0, 'queued', 'carry_on', 'twin')"
        )
    workers.until(lambda: any("is another worker's" in child.stderr for child in found))
    for child in found:
        child.signal(signal.SIGTERM)
    for child in found:
        child.wait()
    ended = sorted(turn for child in found for turn in turns(child, "ends"))
    assert ended == list(range(len(ended)))


def test_cancel_reaches_a_run_in_each_state(slow_workers: Fleet) -> None:
    """One that is queued, one that runs, and one that drains: nobody goes on with it."""
    slow_workers.submit("queued")
    slow_workers.do("cancel", "queued")
    assert slow_workers.store.info("queued").status == "cancelled"
    worker = slow_workers.start("--drain", "30")
    slow_workers.submit("running")
    worker.until("begins")
    slow_workers.store.request_cancel("running")
    slow_workers.until_status("running", "cancelled")
    slow_workers.submit("draining")
    worker.until("begins")
    worker.signal(signal.SIGTERM)
    slow_workers.store.request_cancel("draining")
    assert worker.wait() == -signal.SIGTERM
    assert slow_workers.store.info("draining").status == "cancelled"
    assert turns(worker, "ends") == []


def test_what_keeps_failing_comes_to_rest(workers: Fleet) -> None:
    """After as many attempts as it has, with its error; `retry` has it tried again."""
    worker = workers.start("--attempts", "3", "--backoff", "0.1:0.1", team="failing")
    workers.submit("poison", "failing")
    info = workers.until_status("poison", "failed")
    assert (info.failures, info.error) == (3, "ValueError: the model is out of order")
    workers.until(lambda: "it rests until `retry`" in worker.stderr)
    assert worker.stderr.count("is tried again in 0.1 s") == 2, worker.story()
    workers.do("retry", "poison")
    workers.until(lambda: worker.stderr.count("it rests") == 2)
    assert len(turns(worker, "begins")) >= 6


def test_a_worker_leaves_to_others_what_would_wait(workers: Fleet) -> None:
    """One run at a time in each: the second run goes to the worker that is idle."""
    found = [workers.start(), workers.start()]
    workers.submit("one")
    workers.submit("two")
    for child in found:
        child.until("begins")
    owners = {workers.store.info(name).owner for name in ("one", "two")}
    assert len(owners) == 2


def test_runs_come_to_their_end(server: Server, postgres_url: str) -> None:
    """Several at once in one worker; each is completed, and has all its messages."""
    with fleet(server, postgres_url, turn_seconds=0.01, messages=5) as workers:
        workers.start("--concurrency", "3")
        for name in ("a", "b", "c"):
            workers.submit(name)
        for name in ("a", "b", "c"):
            workers.until_status(name, "completed")


def test_a_store_without_a_queue_is_carried_on_once(server: Server, tmp_path: object) -> None:
    """On SQLite a worker carries on what is queued, and exits."""
    with fleet(server, f"sqlite:///{tmp_path}/runs.db", messages=5) as workers:
        for name in ("a", "b"):
            workers.submit(name)
        workers.do("work", "tests.checkpoints.fleet_teams:talkers", "--concurrency", "2")
        assert [info.status for info in workers.store.list()] == ["completed", "completed"]


def test_a_run_that_refuses_to_stop_is_left_to_its_lease(workers: Fleet) -> None:
    """Its worker is ended by force, and hands nothing over; another one finds the run."""
    ladder = ("--drain", "0.2", "--cancel", "0.2", "--abandon", "0.2")
    old = workers.start(*ladder, team="refusing")
    workers.submit("mule", "refusing")
    old.until("begins")
    new = workers.start(*ladder, team="refusing")
    old.signal(signal.SIGTERM)
    assert old.wait() == 137, old.story()
    assert "handed over" not in old.stderr
    new.until("begins")


@pytest.mark.soak
def test_workers_outlive_a_crash_of_the_server(
    server: Server, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """They say so, try again, and carry on what was left; no turn is kept twice."""
    with fleet(server, postgres_url, turn_seconds=0.2, messages=12) as workers:
        found = [workers.start(), workers.start()]
        workers.submit("tough")
        workers.until(lambda: workers.store.info("tough").turn > 1)
        postgres_server.crash()
        postgres_server.start()
        workers.until_status("tough", "completed")
        assert workers.store.info("tough").turn == 11
        workers.until(lambda: any("cannot be used" in child.stderr for child in found))


def _work_probed(
    url: str, probe: Callable[[object], Awaitable[None]], stopping: asyncio.Event
) -> None:
    """Take hints until a stop; see that the probe of what is heard comes once they can be heard."""
    is_ready = asyncio.Event()

    async def noted(probe_id: object) -> None:
        were.append(is_ready.is_set())
        await probe(probe_id)

    async def nothing(_run_id: str) -> None:
        pass

    async def work() -> None:
        async with open_hints(url) as hints:
            queries: Any = hints._queries  # pyright: ignore[reportPrivateUsage]
            queries.notify_health_check = noted
            await hints.work(
                nothing, concurrency=1, heartbeat=LEASE, stopping=stopping, on_ready=is_ready.set
            )

    were: list[bool] = []
    try:
        asyncio.run(asyncio.wait_for(work(), PATIENCE))
    finally:
        assert were == [True]


def test_a_worker_that_hears_of_no_hints_listens_anew(postgres_url: str) -> None:
    """It is an error, and no stop."""
    stopping = asyncio.Event()

    async def fail(_: object) -> None:
        raise FailingListenerError

    with pytest.raises(FailingListenerError):
        _work_probed(postgres_url, fail, stopping)
    assert not stopping.is_set()


def test_a_worker_probes_what_it_hears_once_it_listens(postgres_url: str) -> None:
    """A probe that comes before would go unheard, and count as a failure."""
    stopping = asyncio.Event()

    async def stop(_: object) -> None:
        stopping.set()

    _work_probed(postgres_url, stop, stopping)


def test_a_hint_whose_worker_is_ended_is_taken_up_again(postgres_url: str) -> None:
    """A job that is cancelled is not dropped; one that is done is."""
    stopping, taken = asyncio.Event(), list[str]()

    async def handle(run_id: str) -> None:
        taken.append(run_id)
        if len(taken) == 1:
            raise asyncio.CancelledError
        stopping.set()

    async def work() -> set[str]:
        async with open_hints(postgres_url) as hints:
            await hints.put_all([])
            assert await hints.waiting() == set()
            await hints.put("one")
            assert await hints.waiting() == {"one"}
            await hints.work(
                handle, concurrency=2, heartbeat=LEASE, stopping=stopping, on_ready=lambda: None
            )
            return await hints.waiting()

    assert asyncio.run(asyncio.wait_for(work(), PATIENCE)) == set()
    assert taken == ["one", "one"]


def test_tables_of_an_older_queue_are_brought_up_to_date(postgres_url: str) -> None:
    """A worker of a newer version finds those of an older one, and keeps the hints in them."""

    async def put(*run_ids: str) -> set[str]:
        async with open_hints(postgres_url) as hints:
            await hints.put_all(run_ids)
            return await hints.waiting()

    asyncio.run(asyncio.wait_for(put("old"), PATIENCE))
    with psycopg.connect(postgres_url, autocommit=True) as database:
        database.execute("ALTER TABLE sv_pgqueuer DROP COLUMN headers")
    assert asyncio.run(asyncio.wait_for(put("new"), PATIENCE)) == {"old", "new"}


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_fifty_hand_overs_are_quick(workers: Fleet) -> None:
    """From SIGTERM to the other's first turn: half of them under 0.25 s, all under a second."""
    taken = _chain(workers, signal.SIGTERM, 50)
    print(_figures("SIGTERM to the next turn", taken))
    assert taken[len(taken) // 2] < 0.25
    assert taken[-1] < 1.0


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_fifty_deaths_are_noticed_in_time(workers: Fleet) -> None:
    """From SIGKILL to the other's first turn: within lease or heartbeat, and a second."""
    taken = _chain(workers, signal.SIGKILL, 50)
    print(_figures("SIGKILL to the next turn", taken))
    assert taken[-1] < LEASE + 1.0


def _chain(workers: Fleet, number: int, count: int) -> list[float]:
    """Hand a run over so often; return the seconds that it took, the shortest first."""
    old = workers.start()
    workers.submit("long")
    taken: list[float] = []
    for _ in range(count):
        old.until("ends")
        new = workers.start()
        taken.append(hand_over(old, new, number))
        old.wait()
        old = new
    return sorted(taken)


def _figures(what: str, taken: list[float]) -> str:
    half, most = taken[len(taken) // 2], taken[-1]
    return f"{what}: n={len(taken)} p50 {half:.3f} s, max {most:.3f} s"


@pytest.mark.soak
def test_the_example_shows_runs_that_outlive_their_workers(postgres_server: object) -> None:
    """Three workers, one stopped and one killed: each run is completed."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.fleet.one_machine"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [name in done.stdout for name in ("SIGTERM", "SIGKILL")] == [True, True]
    assert done.stdout.count("completed") == 3, done.stdout
