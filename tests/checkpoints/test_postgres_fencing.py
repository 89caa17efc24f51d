"""Each turn of a run in PostgreSQL is written by exactly one of those who want it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from examples.fleet.postgres_server import PostgresServer
from supervisor._checkpoints.owners import owner_name
from supervisor._checkpoints.store import CheckpointStore, RunStatus
from supervisor._checkpoints.urls import open_store
from supervisor.errors import RunHeld
from tests.checkpoints.racers import LOG, noted, turn_of
from tests.process.harness import Child, Fact, Server
from tests.seeds import seed

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

_SEED = seed("CHECKPOINTS_SEED")
_LEASE = 1.0
_RUN = "run"


def test_each_turn_is_written_once(server: Server, postgres_url: str, tmp_path: Path) -> None:
    """Processes race for runs, one is killed and one is stopped past its lease."""
    _race(server, postgres_url, tmp_path, 4, runs=12, turns=8, pause=0.05, signals=1)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_each_turn_of_many_is_written_once(
    server: Server, postgres_url: str, tmp_path: Path
) -> None:
    """The same holds for 8 processes and 200 runs of 20 turns, with many stops and kills."""
    _race(server, postgres_url, tmp_path, 8, runs=200, turns=20, pause=0.004, signals=30)


@pytest.mark.parametrize("crashes", [2, pytest.param(30, marks=pytest.mark.soak)])
def test_each_turn_is_written_once_though_the_server_crashes(
    server: Server,
    postgres_server: PostgresServer,
    postgres_url: str,
    tmp_path: Path,
    crashes: int,
) -> None:
    """A commit whose answer nobody has heard is neither lost nor written twice."""
    with contextlib.ExitStack() as stack:
        race = {"runs": 10 * crashes, "turns": 10, "pause": 0.01}
        racers = _start(stack, server, postgres_url, tmp_path, 4, **race)
        for _ in range(crashes):
            racers[0].has_ended(within=random.Random(_SEED).random() / 2)
            postgres_server.crash()
            postgres_server.start()
        _end(racers)
    _check(postgres_url, tmp_path, runs=10 * crashes, turns=10)


def test_an_owner_that_stood_still_past_its_lease_is_refused(
    server: Server, postgres_url: str
) -> None:
    """Somebody else goes on meanwhile, and nothing that it writes afterwards counts."""
    with _standing_still(server, "holds", postgres_url) as (it, line):
        it.until("holds")
        told = _go_on_without(it, line, postgres_url, turn=2)
    assert told["outcomes"] == ["LeaseLost", "LeaseLost"]
    assert told["turn"] == 2


def test_one_that_stood_still_within_a_commit_is_refused(server: Server, postgres_url: str) -> None:
    """The server ends its transaction: others need not wait for it."""
    with _standing_still(server, "stops_within", postgres_url) as (it, line):
        it.until("within")
        told = _go_on_without(it, line, postgres_url, turn=1)
    assert told["outcomes"] == ["StoreUnavailable", "LeaseLost"]
    assert told["turn"] == 1


@contextlib.contextmanager
def _standing_still(server: Server, program: str, url: str) -> Generator[tuple[Child, int]]:
    """Start a program that takes a run and waits for a line on its stdin."""
    store = open_store(url)
    store.setup()
    store.close()
    stdin, line = os.pipe()
    with server.start(program, stdin=stdin, url=url, run=_RUN, lease=_LEASE) as child:
        os.close(stdin)
        yield child, line
    os.close(line)


def _go_on_without(owner: Child, line: int, url: str, *, turn: int) -> Fact:
    """Stop an owner, take its run and write a turn of it, and let the owner try the same."""
    owner.signal(signal.SIGSTOP)
    store, name = open_store(url), owner_name()
    fence = _take_when_free(store, name)
    store.commit(_RUN, fence, turn_of(name, fence, turn))
    owner.signal(signal.SIGCONT)
    os.write(line, b"\n")
    told = owner.until("wrote")
    (owner_there, *_) = json.loads(store.load(_RUN).logs[LOG][turn - 1])
    assert owner_there == name
    store.close()
    return told


def _take_when_free(store: CheckpointStore, name: str) -> int:
    end = time.monotonic() + 30
    while True:
        try:
            got = store.acquire(_RUN, name, 30)
        except RunHeld:
            assert time.monotonic() < end, "its lease does not end"
            continue
        assert got.info.status is RunStatus.RUNNING
        assert got.fence is not None
        return got.fence


def _race(
    server: Server,
    url: str,
    folder: Path,
    processes: int,
    *,
    runs: int,
    turns: int,
    pause: float,
    signals: int,
) -> None:
    rng, race = random.Random(_SEED), {"runs": runs, "turns": turns, "pause": pause}
    with contextlib.ExitStack() as stack:
        racers = _start(stack, server, url, folder, processes, **race)
        _wait_until_all_write(folder / "notes", processes)
        for _ in range(signals):
            place = rng.randrange(processes)
            racers[place].signal(signal.SIGKILL)
            (racers[place],) = _start(stack, server, url, folder, 1, **race)
            _stop_past_lease(racers[rng.randrange(processes)])
        _end(racers)
    assert _check(url, folder, runs, turns) > 1, "nobody has taken a run over"


def _start(
    stack: contextlib.ExitStack,
    server: Server,
    url: str,
    folder: Path,
    processes: int,
    **arguments: Any,
) -> list[Child]:
    print(f"CHECKPOINTS_SEED={_SEED} repeats this")
    notes = str(folder / "notes")
    race: dict[str, Any] = {"url": url, "lease": _LEASE, **arguments}
    racers = [
        stack.enter_context(server.start("races", notes=notes, seed=_SEED + place, **race))
        for place in range(processes)
    ]
    for racer in racers:
        racer.until("racing")
    return racers


def _end(racers: list[Child]) -> None:
    for racer in racers:
        racer.until("done", seconds=300)
        assert racer.wait() == 0, racer.story()


def _wait_until_all_write(notes: Path, processes: int) -> None:
    end = time.monotonic() + 30
    while not notes.exists() or len({owner for _, owner, _, _ in noted(notes)}) < processes:
        assert time.monotonic() < end, "somebody writes nothing"
        time.sleep(0.005)


def _stop_past_lease(racer: Child) -> None:
    racer.signal(signal.SIGSTOP)
    racer.has_ended(within=_LEASE * 1.5)  # it does not: this is time that goes by
    racer.signal(signal.SIGCONT)


def _check(url: str, folder: Path, runs: int, turns: int) -> int:
    """Check each turn of each run; return the largest fence."""
    store = open_store(url)
    written: dict[tuple[str, int], list[object]] = {}
    largest = 0
    for run in (f"run-{number}" for number in range(runs)):
        stored = store.load(run)
        assert stored.info.status is RunStatus.COMPLETED
        rows = [json.loads(body) for body in stored.logs[LOG]]
        assert [turn for _, _, turn in rows] == list(range(1, turns + 1))
        fences = [fence for _, fence, _ in rows]
        assert fences == sorted(fences)
        owners = {fence: owner for owner, fence, _ in rows}
        assert all(owners[fence] == owner for owner, fence, _ in rows)
        largest = max(largest, *fences)
        written |= {(run, turn): [owner, fence] for owner, fence, turn in rows}
    store.close()
    told = Counter[tuple[str, int]]()
    for run, owner, fence, turn in noted(folder / "notes"):
        told[run, turn] += 1
        assert written[run, turn] == [owner, fence]
    assert set(told.values()) == {1}
    # A process that is killed may not have noted its last turn.
    print(f"{len(written)} turns, {len(told)} of them noted")
    return largest
