"""A real store in SQLite that can be made to fail, or to stand still."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

from supervisor._checkpoints.sqlite import SqliteStore
from supervisor._checkpoints.store import Acquired, CheckpointStore, Commit, Renewal
from supervisor.errors import StoreUnavailable


class Faults:
    """What is wrong with a store, for all objects on it."""

    def __init__(self) -> None:
        self.is_down = False
        self.may_renew = threading.Event()
        self.may_commit = threading.Event()
        self.may_acquire = threading.Event()
        self.is_asked = threading.Event()
        self.may_acquire.set()
        self.may_renew.set()
        self.may_commit.set()


class FaultyStore:
    """A store that knows owners by their leases, and does as a test wants.

    Args:
        path: The file.
        faults: What is wrong with it.
    """

    def __init__(self, path: Path, faults: Faults) -> None:
        self.faults = faults
        self._path = path
        self._store = SqliteStore(path, f"sqlite:///{path}", takes_locks=False)

    def __getattr__(self, name: str) -> Any:
        """Be the real one in everything else."""
        return getattr(self._store, name)

    def clone(self) -> CheckpointStore:
        """Return another object with the same faults."""
        return cast(CheckpointStore, FaultyStore(self._path, self.faults))

    def acquire(self, *args: Any, **options: Any) -> Acquired:
        """Give a run, or wait."""
        self.faults.is_asked.set()
        assert self.faults.may_acquire.wait(20)
        return self._store.acquire(*args, **options)

    def commit(self, run_id: str, fence: int, commit: Commit) -> None:
        """Write, or fail, or wait."""
        assert self.faults.may_commit.wait(20)
        self._fail()
        self._store.commit(run_id, fence, commit)

    def renew(self, owner: str, fences: Any, lease: float) -> Renewal:
        """Renew, or fail, or wait."""
        assert self.faults.may_renew.wait(20)
        self._fail()
        return self._store.renew(owner, fences, lease)

    def _fail(self) -> None:
        if self.faults.is_down:
            raise StoreUnavailable(self._store.url, "it is down")


def faulty_store(path: Path) -> tuple[CheckpointStore, Faults]:
    """Return such a store, and what is wrong with it."""
    faults = Faults()
    return cast(CheckpointStore, FaultyStore(path, faults)), faults
