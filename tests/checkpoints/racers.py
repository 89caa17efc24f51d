"""Processes that want the same runs, straight at a store: no team, no supervisor."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from supervisor._checkpoints.owners import owner_name
from supervisor._checkpoints.store import CheckpointStore, Commit, End, Entry, NewRun, RunStatus
from supervisor._checkpoints.urls import open_store
from supervisor._core.errors import LeaseLost, RunHeld, StoreUnavailable
from tests.process.server import tell

NEW = NewRun(team="racers", shape="{}", task='"race"')
LOG = "turns"


def turn_of(owner: str, fence: int, turn: int, *, last: bool = False) -> Commit:
    """Return a commit that says who has written it."""
    body = json.dumps([owner, fence, turn])
    return Commit(
        expects=turn - 1,
        turn=turn,
        state=json.dumps({"lengths": {LOG: turn}}),
        digest=f"digest {turn}",
        entries=[Entry(LOG, turn - 1, body)],
        end=End(status=RunStatus.COMPLETED) if last else None,
    )


def races(
    url: str, notes: str, runs: int, turns: int, lease: float, pause: float, seed: int
) -> None:
    """Take whatever run is free, and carry it on, until all are completed.

    Each turn that was committed is noted in a file afterwards, as [run, owner, fence, turn].

    Args:
        url: The store.
        notes: The file.
        runs: How many there are.
        turns: How many each has.
        lease: Seconds.
        pause: The seconds that a turn may take.
        seed: Of the order, and of the pauses.
    """
    rng = random.Random(seed)
    store = open_store(url)
    store.setup()
    racer = _Racer(store, Path(notes), turns, lease, pause, rng)
    left = set(range(runs))
    tell("racing")
    while left:
        for run in rng.sample(sorted(left), len(left)):
            # The store may be busy with an owner that stands still; its lease runs out.
            with contextlib.suppress(RunHeld, LeaseLost, StoreUnavailable):
                racer.carry_on(f"run-{run}")
                left.discard(run)
    tell("done")


class _Racer:
    def __init__(
        self,
        store: CheckpointStore,
        notes: Path,
        turns: int,
        lease: float,
        pause: float,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._owner = owner_name()
        self._notes = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._turns = turns
        self._lease = lease
        self._pause = pause
        self._rng = rng

    def carry_on(self, run: str) -> None:
        got = self._store.acquire(run, self._owner, self._lease, new=NEW)
        if got.fence is None:
            return
        assert len(self._store.load(run).logs.get(LOG, ())) == got.info.turn
        renewed = time.monotonic()
        for turn in range(got.info.turn + 1, self._turns + 1):
            time.sleep(self._rng.random() * self._pause)
            if time.monotonic() - renewed > self._lease / 4:
                self._renew(run, got.fence)
                renewed = time.monotonic()
            self._write(run, got.fence, turn)

    def _renew(self, run: str, fence: int) -> None:
        if self._store.renew(self._owner, {run: fence}, self._lease).lost:
            raise LeaseLost(run)

    def _write(self, run: str, fence: int, turn: int) -> None:
        commit = turn_of(self._owner, fence, turn, last=turn == self._turns)
        end = time.monotonic() + self._lease
        while True:
            try:
                self._store.commit(run, fence, commit)
                break
            except StoreUnavailable:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        note = json.dumps([run, self._owner, fence, turn])
        os.write(self._notes, note.encode() + b"\n")


def noted(notes: Path) -> Iterator[tuple[str, str, int, int]]:
    """Return what racers have noted."""
    for line in notes.read_text().splitlines():
        run, owner, fence, turn = json.loads(line)
        yield run, owner, fence, turn


def holds(url: str, run: str, lease: float) -> None:
    """Take a run, write a turn, and write another one when it is told to.

    It is told so by a line on its stdin.
    """
    store, owner = open_store(url), owner_name()
    fence = store.acquire(run, owner, lease, new=NEW).fence
    assert fence is not None
    store.commit(run, fence, turn_of(owner, fence, 1))
    tell("holds", owner=owner, fence=fence)
    input()
    _write_late(lambda: store.commit(run, fence, turn_of(owner, fence, 2)), run, store)


def stops_within(url: str, run: str, lease: float) -> None:
    """Take a run, and stand still within the transaction of a commit until a line on stdin."""
    from supervisor._checkpoints.postgres import PostgresDatabase, PostgresStore

    class Database(PostgresDatabase):
        def do_each(self, sql: str, rows: Any) -> None:
            tell("within")
            input()
            super().do_each(sql, rows)

    store, owner = PostgresStore(Database(url)), owner_name()
    fence = store.acquire(run, owner, lease, new=NEW).fence
    assert fence is not None
    _write_late(lambda: store.commit(run, fence, turn_of(owner, fence, 1)), run, store)


def forks(url: str) -> None:
    """Take a run, have two forked children end, one of which uses the store, and write a turn."""
    from supervisor._checkpoints.postgres import postgres_store

    store, owner = postgres_store(url), owner_name()
    store.setup()
    fence = store.acquire("run", owner, 30, new=NEW).fence
    assert fence is not None
    before = store._postgres.connection
    for uses_it in (True, False):
        if (pid := os.fork()) == 0:
            assert not uses_it or [info.id for info in store.list()] == ["run"]
            sys.exit()
        assert os.waitpid(pid, 0)[1] == 0
    store.commit("run", fence, turn_of(owner, fence, 1))
    tell("wrote", has_kept_connection=store._postgres.connection is before)
    store.close()


def _write_late(write: Any, run: str, store: CheckpointStore) -> None:
    outcomes: list[str] = []
    for _ in range(2):
        try:
            write()
        except (LeaseLost, StoreUnavailable) as error:
            outcomes.append(type(error).__name__)
        else:
            outcomes.append("written")
    tell("wrote", outcomes=outcomes, turn=store.info(run).turn)
