"""The store in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from supervisor._checkpoints.sqlite import SqliteStore
from tests.unit.checkpoints.contract import StoreContract, Stores


class SqliteStores:
    """Objects on a store in a file, all closed in the end."""

    def __init__(self, path: Path, *, takes_locks: bool) -> None:
        self.path = path
        self._takes_locks = takes_locks
        self._opened = list[SqliteStore]()

    def open(self) -> SqliteStore:
        """Return another one."""
        url = f"sqlite:///{self.path}"
        self._opened.append(SqliteStore(self.path, url, takes_locks=self._takes_locks))
        return self._opened[-1]

    def execute(self, sql: str, *values: object) -> Sequence[Any]:
        """Execute a statement behind their back."""
        with sqlite3.connect(self.path) as connection:
            found = connection.execute(sql, values).fetchall()
        connection.close()
        return found

    def close(self) -> None:
        """Close all of them."""
        for store in self._opened:
            store.close()


@pytest.fixture(params=["locks", "leases"])
def stores(request: pytest.FixtureRequest, memory_path: Path) -> Iterator[Stores]:
    """Return a store whose owners are told by locks, then one whose owners are told by leases."""
    files = SqliteStores(memory_path / "runs.db", takes_locks=request.param == "locks")
    yield Stores(files.open, files.execute)
    files.close()


class TestSqlite(StoreContract):
    """What each store promises."""


def test_a_clone_of_a_store_with_leases_reads_the_same_runs(memory_path: Path) -> None:
    """Another thread has a connection of its own, and the same rules of ownership."""
    path = memory_path / "runs.db"
    store = SqliteStore(path, f"sqlite:///{path}", takes_locks=False)
    store.setup()
    other = store.clone()
    try:
        assert (other.url, other.sees_owners) == (store.url, False)
        assert other.list() == []
    finally:
        other.close()
        store.close()
