"""What one transaction writes of a run: all that waits for it, joined in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from supervisor._checkpoints.integrity import Sealed
from supervisor._checkpoints.snapshot import LogChange, Snapshot
from supervisor._checkpoints.store import CallRecord, Commit, End, Entry, RunStatus
from supervisor._checkpoints.store_thread import Outcome


class Batch:
    """What waits to be written of one run.

    Args:
        seal: Makes text of a snapshot, in order.
        turn: The turn at which the store's row stands.
    """

    def __init__(self, seal: Callable[[Snapshot], Sealed], turn: int) -> None:
        self._seal = seal
        self._expects = self.turn = turn
        self._entries: dict[tuple[str, int], Entry] = {}
        self._snapshot: Snapshot | None = None  # what is not sealed yet
        self._unsealable: Exception | None = None
        self._changes: list[LogChange] = []
        self._calls: dict[str, CallRecord] = {}
        self._dropped: set[str] = set()
        self._state: str | None = None
        self._digest: str | None = None
        self._end: End | None = None
        self._waiters: list[Outcome[None]] = []

    def add_snapshot(self, snapshot: Snapshot) -> None:
        """Add a moment of the run; the last one counts, with what is new in all of them."""
        self._changes.extend(snapshot.changes)
        self._snapshot, self.turn = snapshot, snapshot.turn

    def seal(self) -> None:
        """Make text of it, once all is added: a large state of an earlier moment needs none.

        What is added later, because this could not be written, is sealed behind it.

        Raises:
            Exception: No text can be made of it; nor of what is added later.
        """
        if self._unsealable is not None:
            raise self._unsealable
        if self._snapshot is None:
            return
        try:
            sealed = self._seal(replace(self._snapshot, changes=self._changes))
        except Exception as error:
            self._unsealable = error
            raise
        self._snapshot, self._changes = None, []
        self._entries.update(((entry.log, entry.pos), entry) for entry in sealed.entries)
        self._state, self._digest = sealed.state, sealed.digest

    def add_calls(self, calls: Sequence[CallRecord]) -> None:
        """Add calls that have begun, or have a result."""
        self._calls.update((call.id, call) for call in calls)

    def drop_call(self, call_id: str) -> None:
        """Take a call back."""
        self._calls.pop(call_id, None)
        self._dropped.add(call_id)

    def add_end(self, end: End) -> None:
        """Give the run up with this."""
        self._end = end

    def add_waiter(self, waiter: Outcome[None]) -> None:
        """Have somebody told once it is durable."""
        self._waiters.append(waiter)

    @property
    def begins_calls(self) -> bool:
        """Whether a tool waits for it."""
        return any(call.result is None for call in self._calls.values())

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._state or self._calls or self._dropped or self._end)

    def commit(self, has_fleet: Callable[[], bool]) -> Commit:
        """Return it as one transaction.

        Args:
            has_fleet: Whether somebody takes what is queued; else that is at rest.
        """
        return Commit(
            expects=self._expects,
            turn=self.turn,
            state=self._state,
            digest=self._digest,
            entries=tuple(self._entries.values()),
            calls=tuple(self._calls.values()),
            dropped=tuple(self._dropped),
            end=at_rest(self._end, has_fleet),
        )

    def tell(self, error: BaseException | None) -> None:
        """Tell those that wait for it that it is durable, or that it will never be."""
        for waiter in self._waiters:
            waiter.set(None, error)
        self._waiters.clear()


def at_rest(end: End | None, has_fleet: Callable[[], bool]) -> End | None:
    """Return how an owner leaves a run: where nobody takes what is queued, it is stopped."""
    if end is not None and end.status is RunStatus.QUEUED and not has_fleet():
        return replace(end, status=RunStatus.STOPPED)
    return end


Change = Callable[[Batch], Any]
"""Adds something to a batch; in the writer's thread."""
