"""Scenarios: a process that has a run on SQLite is killed, and what it leaves is continued."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from supervisor._checkpoints.integrity import check
from supervisor._checkpoints.sqlite import SqliteDatabase, SqliteStore
from supervisor._checkpoints.store import CheckpointStore, RunStatus
from supervisor.errors import CheckpointError, RunNotFound
from tests.checkpoints.kept_run import RUN, KeptRun, transcript, work
from tests.checkpoints.preloaded import Pipe, fork, wait

TURNS = 2
_SUFFIXES = "", "-wal", "-shm", "-owners"


def kill_at_statements(folder: str, every: int, offset: int) -> dict[str, int]:
    """Kill a process before and after each statement of a run, and go on in this one."""
    path = Path(folder, "runs.db")
    count = _statements(path)
    kills = [(n, is_after) for n in range(1, count + 1) for is_after in (False, True)]
    chosen = kills[offset % every :: every]
    for n, is_after in chosen:
        _kill_at(path, n, is_after=is_after)
    return {"statements": count, "kills": len(chosen)}


def _statements(path: Path) -> int:
    """Return how many statements a run has."""
    _remove(path)
    pipe = Pipe()

    def child() -> None:
        done = list[str]()
        with _each_statement(done.append, lambda _: None):
            work(_store(path), TURNS, lambda _: None)
        pipe.say(len(done))

    assert wait(fork(child)) == 0
    return int(next(pipe.lines()))


def _kill_at(path: Path, n: int, *, is_after: bool) -> None:
    _remove(path)
    pipe = Pipe()

    def child() -> None:
        left = n

        def before(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0 and not is_after:
                os.kill(os.getpid(), signal.SIGKILL)

        def after(_: str) -> None:
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        with _each_statement(before, after):
            work(_store(path), TURNS, pipe.say)

    killed = fork(child)
    said = [*pipe.lines()]
    assert wait(killed) == -signal.SIGKILL
    _go_on(path, [int(line) for line in said if line != "owned"], is_owned=bool(said))


def _go_on(path: Path, finished: Sequence[int], *, is_owned: bool) -> None:
    """Check what a killed process has left, and do the rest."""
    last = finished[-1] if finished else 0
    store = _store(path)
    store.setup()
    turn = _turn_of(store)
    assert turn in {last, last + 1}, (turn, finished)
    assert not is_owned or turn == TURNS or store.wanting() == [RUN]
    if turn < TURNS:
        work(store, TURNS, lambda _: None)
    assert store.info(RUN).status is RunStatus.COMPLETED
    assert _turn_of(store) == TURNS
    calls = store.load(RUN).calls
    assert [record.id for record in calls] == [f"call-{turn}" for turn in range(TURNS)]
    assert all(record.result is not None for record in calls)
    store.close()
    _check_file(path)


def kill_at_random(folder: str, kills: int, torn: int, seed: int) -> dict[str, int]:
    """Kill one process after the other at random moments of one run, and look at torn copies."""
    path, rng = Path(folder, "runs.db"), random.Random(seed)
    counts = {"kills": 0, "turns": 0, "copies": 0}
    last = 0
    for index in range(kills):
        last = _kill_once(path, rng, last)
        counts["kills"] += 1
        if torn and index % max(1, kills // torn) == 0:
            _look_at_copy(path, rng, last)
            counts["copies"] += 1
    store = _store(path)
    turn = _turn_of(store)
    assert turn in {last, last + 1}
    assert store.info(RUN).attempts == kills
    store.close()
    _check_file(path)
    return {**counts, "turns": turn}


def _kill_once(path: Path, rng: random.Random, last: int) -> int:
    """Have a child go on with the run, and kill it; return the last turn that was finished."""
    pipe = Pipe()

    def child() -> None:
        store = _store(path)
        store.setup()
        run = KeptRun(store)
        assert run.turn in {last, last + 1}
        assert run.kept is None or run.kept.logs["thread"] == transcript(run.turn)
        pipe.say(run.turn)
        while True:
            run.finish_turn()
            pipe.say(run.turn)

    working = fork(child)
    enough = rng.randrange(1, 8)
    said = list[int]()
    for line in pipe.lines():
        said.append(int(line))
        if len(said) == enough:
            _spin(rng.randrange(2000))
            os.kill(working, signal.SIGKILL)
    assert wait(working) == -signal.SIGKILL, said
    return said[-1]


def _spin(rounds: int) -> None:
    """Let a moment pass that is no multiple of anything."""
    for _ in range(rounds * 10):
        pass


def _look_at_copy(path: Path, rng: random.Random, last: int) -> None:
    """Damage a copy's WAL as a loss of power may: what remains is the run at an earlier turn."""
    copy = path.with_name("copy.db")
    _remove(copy)
    for suffix in ("", "-wal"):
        if Path(f"{path}{suffix}").exists():
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    _damage(Path(f"{copy}-wal"), rng)
    store = _store(copy)
    store.setup()
    assert _turn_of(store) <= last + 1
    store.close()
    _check_file(copy)


def _damage(wal: Path, rng: random.Random) -> None:
    """Cut something off, or write something over, or both."""
    if not wal.exists() or not wal.stat().st_size:
        return
    what = rng.choice(["cut", "scribble", "both"])
    if what != "scribble":
        os.truncate(wal, rng.randrange(wal.stat().st_size + 1))
    if what != "cut" and (size := wal.stat().st_size):
        with wal.open("r+b") as file:
            file.seek(rng.randrange(size))
            file.write(rng.randbytes(rng.randrange(1, 600)))


def scribble(folder: str, times: int, seed: int) -> dict[str, int]:
    """Write over a place of the file itself: that is found, or has no effect on the transcript."""
    path, rng = Path(folder, "runs.db"), random.Random(seed)
    store = _store(path)
    work(store, TURNS, lambda _: None)
    store.close()
    sound = path.read_bytes()
    found = {"unharmed": 0, "refused": 0}
    for _ in range(times):
        place = rng.randrange(len(sound))
        new = rng.randbytes(rng.choice([1, 4, 100]))
        path.write_bytes(sound[:place] + new + sound[place + len(new) :])
        found[_outcome(path)] += 1
        _remove(Path(f"{path}-wal"))
    return found


def _outcome(path: Path) -> str:
    store = _store(path)
    try:
        store.setup()
        store.list()
        store.wanting()
        kept = check(store.load(RUN))
    except CheckpointError:
        return "refused"
    finally:
        store.close()
    assert kept is not None
    assert (kept.turn, kept.logs["thread"]) == (TURNS, transcript(TURNS))
    return "unharmed"


def _turn_of(store: CheckpointStore) -> int:
    """Return the turn at which the run stands, its transcript checked; 0 where there is none."""
    try:
        kept = check(store.load(RUN))
    except RunNotFound:
        return 0
    if kept is None:
        return 0
    assert kept.logs == {"thread": transcript(kept.turn)}
    assert kept.rest == {"at": kept.turn}
    return kept.turn


def _store(path: Path) -> CheckpointStore:
    return SqliteStore(path, f"sqlite:///{path}")


def _check_file(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _remove(path: Path) -> None:
    for suffix in _SUFFIXES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)


@contextlib.contextmanager
def _each_statement(before: Callable[[str], Any], after: Callable[[str], Any]) -> Any:
    """Have something done before and after each statement."""
    do = SqliteDatabase.do

    def watched(self: SqliteDatabase, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        before(sql)
        cursor = do(self, sql, values)
        after(sql)
        return cursor

    SqliteDatabase.do = watched  # type: ignore[method-assign]
    try:
        yield
    finally:
        SqliteDatabase.do = do  # type: ignore[method-assign]
