"""Scenarios: who owns a run on SQLite, across processes that are stopped, forked and killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from supervisor._checkpoints import sqlite
from supervisor._checkpoints.sqlite import SqliteDatabase, SqliteStore
from supervisor._checkpoints.store import CheckpointStore, RunStatus
from supervisor.errors import LeaseLost, RunHeld, StoreUnavailable
from tests.checkpoints.kept_run import RUN, KeptRun
from tests.checkpoints.preloaded import Pipe, fork, kill, wait

_SHORT_LEASE = 0.05
_LIMIT_SECONDS = 30


def stop_an_owner(folder: str, *, takes_locks: bool) -> dict[str, str | None]:
    """Stop an owner until its lease is over, have another one go on, and let it continue."""
    pipe = Pipe()

    def child() -> None:
        run = KeptRun(_store(folder, takes_locks=takes_locks), lease=_SHORT_LEASE)
        os.kill(os.getpid(), signal.SIGSTOP)
        pipe.say(_outcome(run.finish_turn))

    first = _fork_set_up(folder, child)
    _wait_stopped(first)
    store = _store(folder, takes_locks=takes_locks)
    if takes_locks:
        second = _outcome(lambda: KeptRun(store))
    else:
        run = _until_free(store)
        second = _outcome(run.finish_turn)
    os.kill(first, signal.SIGCONT)
    said = next(pipe.lines())
    assert wait(first) == 0
    return {"stopped": said, "other": second}


def stop_within_a_commit(folder: str) -> dict[str, str | None]:
    """Stop an owner just before its COMMIT, until its lease is over, and let it continue."""
    sqlite.BUSY_SECONDS = 0.1
    pipe = Pipe()

    def child() -> None:
        run = KeptRun(_store(folder, takes_locks=False), lease=_SHORT_LEASE)
        _stop_before("COMMIT")
        pipe.say(_outcome(run.finish_turn))

    first = _fork_set_up(folder, child)
    _wait_stopped(first)
    store = _store(folder, takes_locks=False)
    meanwhile = _outcome(lambda: KeptRun(store))
    turn_meanwhile = store.info(RUN).turn
    os.kill(first, signal.SIGCONT)
    said = next(pipe.lines())
    assert wait(first) == 0
    run = _until_free(store)
    return {
        "stopped": said,
        "meanwhile": meanwhile,
        "turns": f"{turn_meanwhile}, {run.turn}",
        "other": _outcome(run.finish_turn),
    }


def fork_an_owner(folder: str) -> dict[str, str | None]:
    """Fork a process that has a run: the child uses the same objects, and ends."""
    store = _store(folder)
    store.setup()
    run = KeptRun(store)
    pipe = Pipe()

    def child() -> None:
        pipe.say(_outcome(lambda: KeptRun(store)))
        other = _store(folder)
        pipe.say(_outcome(lambda: KeptRun(other, "other")))
        other.close()
        store.close()

    assert wait(fork(child)) == 0
    assert wait(fork(store.close)) == 0
    in_child, others_run = pipe.lines()
    return {
        "child": in_child,
        "child's own": others_run,
        "afterwards": _seen_by_another(folder),
        "parent": _outcome(run.finish_turn),
    }


def close_another_store(folder: str) -> dict[str, str | None]:
    """Close another object on the same file, in the process that has a run."""
    store = _store(folder)
    store.setup()
    run = KeptRun(store)
    link = Path(folder, "link.db")
    link.symlink_to(Path(folder, "runs.db"))
    for path in (Path(folder, "runs.db"), link):
        other = SqliteStore(path, "other")
        assert _outcome(partial(KeptRun, other)) == "held"
        KeptRun(other, path.name).give_up(RunStatus.STOPPED)
        other.close()
    seen = _seen_by_another(folder)
    return {"afterwards": seen, "owner": _outcome(run.finish_turn)}


def kill_an_owner(folder: str, times: int) -> int:
    """Kill an owner, and take its run at once; return how often that was refused."""
    store = _store(folder)
    store.setup()
    refused = 0
    for _ in range(times):
        pipe = Pipe()

        def child(pipe: Pipe = pipe) -> None:
            pipe.say(KeptRun(_store(folder)).turn)
            signal.pause()

        owner = fork(child)
        pipe.close_write()
        assert next(pipe.lines())
        assert _outcome(lambda: KeptRun(store)) == "held"
        kill(owner)
        try:
            KeptRun(store).give_up(RunStatus.QUEUED)
        except RunHeld:
            refused += 1
    return refused


def open_at_once(folder: str, files: int, processes: int) -> list[int]:
    """Open fresh files, each by several processes at once; return how many runs each has then."""
    found = list[int]()
    for index in range(files):
        url, gate = f"{folder}/{index}.db", os.pipe()
        opening = partial(_open_when_told, url, gate)
        children = [fork(partial(opening, number)) for number in range(processes)]
        os.close(gate[0])
        os.close(gate[1])  # all begin
        assert [wait(child) for child in children] == [0] * processes
        store = SqliteStore(Path(url), url)
        found.append(len(store.list([RunStatus.STOPPED])))
        store.close()
    return found


def _open_when_told(path: str, gate: tuple[int, int], index: int) -> None:
    os.close(gate[1])
    os.read(gate[0], 1)  # ends when the parent closes its end, the last one
    store = SqliteStore(Path(path), path)
    store.setup()
    KeptRun(store, str(index)).give_up(RunStatus.STOPPED)
    store.close()


def hold(path: str) -> None:
    """Hold a run until killed, and say who does; for a program of its own."""
    store = SqliteStore(Path(path), path)
    store.setup()
    try:
        run = KeptRun(store)
    except RunHeld as error:
        print("held by", error.owner, flush=True)
        return
    print("owned by", run.owner, "pid", os.getpid(), flush=True)
    signal.pause()


def _store(folder: str, *, takes_locks: bool = True) -> CheckpointStore:
    return SqliteStore(Path(folder, "runs.db"), folder, takes_locks=takes_locks)


def _outcome(work: Callable[[], object]) -> str:
    try:
        work()
    except RunHeld:
        return "held"
    except LeaseLost:
        return "refused"
    except StoreUnavailable as error:
        return error.problem
    return "done"


def _until_free(store: CheckpointStore) -> KeptRun:
    end = time.monotonic() + _LIMIT_SECONDS
    while True:
        try:
            return KeptRun(store)
        except RunHeld:
            assert time.monotonic() < end, "it stays held"


def _seen_by_another(folder: str) -> str:
    """Return whether another process finds the run held."""
    pipe = Pipe()
    other = fork(lambda: pipe.say(_outcome(lambda: KeptRun(_store(folder)))))
    (said,) = pipe.lines()
    assert wait(other) == 0
    return said


def _fork_set_up(folder: str, work: Callable[[], None]) -> int:
    store = _store(folder)
    store.setup()
    store.close()
    return fork(work)


def _wait_stopped(child: int) -> None:
    _, status = os.waitpid(child, os.WUNTRACED)
    assert os.WIFSTOPPED(status), status


def _stop_before(statement: str) -> None:
    """Stop this process just before it executes a statement, once."""
    do = SqliteDatabase.do

    def stopping(self: SqliteDatabase, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        if sql == statement:
            SqliteDatabase.do = do  # type: ignore[method-assign]
            os.kill(os.getpid(), signal.SIGSTOP)
        return do(self, sql, values)

    SqliteDatabase.do = stopping  # type: ignore[method-assign]


if __name__ == "__main__":
    hold(sys.argv[1])
