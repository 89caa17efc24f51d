"""A store that keeps nothing but a list of what is written, and fails when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from supervisor._checkpoints.store import Commit, Renewal, RunInfo
from tests.unit.checkpoints.run_infos import run_info


class NotedStore:
    """What the writer and the renewer need of a store.

    Args:
        errors: What the next commits raise; None: that one is written.
    """

    def __init__(self, *errors: Exception | None) -> None:
        self.url = "noted:///"
        self.sees_owners = False
        self.has_fleet = False
        self.errors: list[BaseException | None] = list(errors)
        self.commits: list[Commit] = []
        self.is_down = False
        self.renewal = Renewal()
        self.renewed: list[Mapping[str, int]] = []
        self.threads: set[str] = set()
        self.has_renewed = threading.Event()
        self.is_closed = threading.Event()
        self.may_write = threading.Event()
        self.may_write.set()
        self.row = run_info()

    def setup(self) -> None:
        """Do nothing."""

    def clone(self) -> Any:
        """Return the same one: it is for two threads here."""
        return self

    def close(self) -> None:
        """Note it."""
        self.is_closed.set()

    def commit(self, _run_id: str, _fence: int, commit: Commit) -> None:
        """Note it, or fail."""
        assert self.may_write.wait(10), "nobody lets it write"
        self.threads.add(threading.current_thread().name)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.commits.append(commit)

    def info(self, _run_id: str) -> RunInfo:
        """Return what a test has put there."""
        return self.row

    def renew(self, _owner: str, fences: Mapping[str, int], _lease: float) -> Renewal:
        """Note it, or fail."""
        if self.is_down:
            raise unavailable()
        self.renewed.append(dict(fences))
        self.has_renewed.set()
        return self.renewal


def unavailable() -> Exception:
    """Return what a store raises that does not answer."""
    from supervisor.errors import StoreUnavailable

    return StoreUnavailable("noted:///", "it is down")
