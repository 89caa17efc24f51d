"""Scenarios: SQLite on a disk that is full, and files that may not be written."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

from supervisor._checkpoints.integrity import check
from supervisor._checkpoints.sqlite import SqliteStore
from supervisor._checkpoints.store import CheckpointStore, RunStatus
from supervisor.errors import StoreUnavailable
from tests.checkpoints.kept_run import RUN, KeptRun, transcript
from tests.checkpoints.preloaded import Pipe, fork, wait

_DISK = "400k"
_NOBODY = 65534


def fill_a_disk(folder: str) -> dict[str, object]:
    """Write a run until the disk is full, remove something, and go on."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "none", folder], check=True)
    ballast = Path(folder, "ballast")
    ballast.write_bytes(bytes(100_000))
    store = _store(Path(folder))
    store.setup()
    run, problems = KeptRun(store), set[str]()
    for _ in range(3):
        problems.add(_write_until_refused(run))
        assert _turns(store) == run.turn
    other = _store(Path(folder))
    assert _turns(other) == run.turn
    other.close()
    ballast.unlink()
    return {"problems": sorted(problems), "went on": _goes_on(store, run)}


def limit_a_file(folder: str) -> dict[str, object]:
    """Write a run until its file may not grow any more, lift the limit, and go on."""
    store = _store(Path(folder))
    store.setup()
    run = KeptRun(store)
    run.finish_turn()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    problem = _write_until_refused(run)
    assert _turns(store) == run.turn
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    return {"problems": [problem], "went on": _goes_on(store, run)}


def _write_until_refused(run: KeptRun) -> str:
    while True:
        try:
            run.finish_turn()
        except StoreUnavailable as error:
            run.undo()
            return error.problem
        assert run.turn < 10_000, "it is never full"


def _goes_on(store: CheckpointStore, run: KeptRun) -> bool:
    before = run.turn
    run.finish_turn()
    run.give_up(RunStatus.STOPPED)
    return _turns(store) == before + 1


def _turns(store: CheckpointStore) -> int:
    kept = check(store.load(RUN))
    assert kept is not None
    assert kept.logs["thread"] == transcript(kept.turn)
    return kept.turn


def open_as_another(folder: str, modes: dict[str, int]) -> str:
    """Open a store as a user who is nobody, with these modes of the files; return what is said."""
    path = Path(folder)
    store = _store(path)
    store.setup()
    store.close()
    for name, mode in modes.items():
        (path / name).chmod(mode)
    pipe = Pipe()

    def child() -> None:
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        pipe.say(_said(path))

    assert wait(fork(child)) == 0
    return next(pipe.lines())


def _said(path: Path) -> str:
    store = _store(path)
    try:
        store.setup()
        KeptRun(store).give_up(RunStatus.STOPPED)
    except StoreUnavailable as error:
        return str(error)
    return "done"


def _store(folder: Path) -> CheckpointStore:
    return SqliteStore(folder / "runs.db", "sqlite:///runs.db")
