"""A run of plain turns on a store, as the children of tests write it; no AutoGen in it."""

from __future__ import annotations

import json
from collections.abc import Callable

from supervisor._checkpoints.integrity import Sealed, Sealer
from supervisor._checkpoints.owners import owner_name
from supervisor._checkpoints.snapshot import LogChange, Snapshot
from supervisor._checkpoints.store import (
    CallRecord,
    CheckpointStore,
    Commit,
    End,
    NewRun,
    RunStatus,
)

RUN = "run"
NEW = NewRun(team="team", shape="{}", task='"task"')
LEASE = 15.0


class KeptRun:
    """A run that this process has taken, and what it reads and writes of it.

    Args:
        store: Where it is.
        run_id: The run.
        lease: For how many seconds it is taken.
        mark: What its turns are signed with.
    """

    def __init__(
        self,
        store: CheckpointStore,
        run_id: str = RUN,
        *,
        lease: float = LEASE,
        owner: str = "",
        mark: str = "",
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._mark = mark
        self.owner = owner or owner_name()
        acquired = store.acquire(run_id, self.owner, lease, new=NEW)
        self.fence = acquired.fence or 0
        self._read()

    def _read(self) -> None:
        self._sealer = Sealer(self._run_id)
        self.kept = self._sealer.check(self._store.load(self._run_id))
        self.turn = self.kept.turn if self.kept else 0
        self._log = [*self.kept.logs["thread"]] if self.kept else []

    def finish_turn(self, end: End | None = None) -> None:
        """Write a turn of two items, and what is known at its end."""
        turn = self.turn + 1
        first = 0 if turn % 10 == 0 else 2 * self.turn  # now and then the log is written anew
        self._log += items_of(turn, self._mark)
        changes = [LogChange("thread", first, self._log[first:])]
        sealed = self._sealer.seal(
            Snapshot(turn=turn, changes=changes, lengths={"thread": 2 * turn}, rest={"at": turn})
        )
        self._store.commit(self._run_id, self.fence, _commit(self.turn, sealed, end))
        self.turn = turn

    def undo(self) -> None:
        """Stand at the last turn that was written, after one that could not be."""
        self._read()

    def call_tool(self) -> None:
        """Write that a call begins, and what it has found."""
        for result in (None, json.dumps(self.turn)):
            record = CallRecord(
                id=f"call-{self.turn}",
                kind="tool",
                turn=self.turn,
                agent="writer",
                tool="search",
                arguments="{}",
                fence=self.fence,
                result=result,
            )
            commit = Commit(expects=self.turn, turn=self.turn, calls=[record])
            self._store.commit(self._run_id, self.fence, commit)

    def give_up(self, status: RunStatus) -> None:
        """Give the run up between two turns."""
        commit = Commit(expects=self.turn, turn=self.turn, end=End(status=status))
        self._store.commit(self._run_id, self.fence, commit)


def items_of(turn: int, mark: str = "") -> list[object]:
    """Return the items that a turn adds to the log."""
    return [[turn, mark], {"turn": turn, "text": "x" * 300}]


def transcript(turns: int) -> list[object]:
    """Return the whole log after so many turns without a mark."""
    return [item for turn in range(1, turns + 1) for item in items_of(turn)]


def work(store: CheckpointStore, turns: int, say: Callable[[object], None]) -> None:
    """Do a run from where it stands to its end, and say each turn that is durable."""
    store.setup()
    run = KeptRun(store)
    say("owned")
    while run.turn < turns:
        run.call_tool()
        store.renew(run.owner, {RUN: run.fence}, LEASE)
        is_last = run.turn + 1 == turns
        run.finish_turn(End(status=RunStatus.COMPLETED) if is_last else None)
        say(run.turn)


def _commit(expects: int, sealed: Sealed, end: End | None) -> Commit:
    return Commit(
        expects=expects,
        turn=sealed.turn,
        state=sealed.state,
        digest=sealed.digest,
        entries=sealed.entries,
        end=end,
    )
