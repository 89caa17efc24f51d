"""A run that is owned, on a noted store, with a clock of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from supervisor._checkpoints.integrity import Sealer
from supervisor._checkpoints.lease import Lease
from supervisor._checkpoints.owned_run import AcquiredRun, OwnedRun
from supervisor._checkpoints.snapshot import LogChange, Snapshot
from supervisor._checkpoints.store import CallRecord, StoredRun
from supervisor._checkpoints.store_thread import StoreThread
from tests.unit.checkpoints.noted import NotedStore
from tests.unit.checkpoints.run_infos import run_info


class Time:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


class Owning:
    """One owned run, and all that it stands on."""

    def __init__(self, store: NotedStore, *, writes_late: bool = False) -> None:
        self.store = store
        self.time = Time()
        self.thread = StoreThread(cast(Any, store), "supervisor-checkpoints")
        self.lease = Lease(10.0, 3.0, self.time(), clock=self.time)
        self.errors: list[BaseException] = []
        self.cancelled = 0
        stored = StoredRun(
            info=run_info(), shape="", task="", state=None, digest=None, logs={}, calls=[]
        )
        found = AcquiredRun(
            info=stored.info,
            stored=stored,
            kept=None,
            fence=7,
            asked=self.time(),
            seal=Sealer("r").seal,
        )
        self.run = OwnedRun(found, "me", self.lease, self.thread, writes_late=writes_late)
        self.run.on_failed = self.errors.append
        self.run.on_cancel = self._cancel

    def _cancel(self) -> None:
        self.cancelled += 1


def at_turn(turn: int, *items: Any) -> Snapshot:
    """Return a moment of a run whose thread has grown by these items, one at each turn."""
    start = turn - len(items)
    return Snapshot(
        turn=turn, changes=[LogChange("thread", start, items)], lengths={"thread": turn}, rest={}
    )


def a_call(call_id: str) -> CallRecord:
    """Return the record of a call that has begun."""
    return CallRecord(
        id=call_id, kind="tool", turn=0, agent="a", tool="pay", arguments="{}", fence=7
    )


def bodies(store: NotedStore) -> Sequence[str]:
    """Return what was written of the logs, in order."""
    return [entry.body for commit in store.commits for entry in commit.entries]
