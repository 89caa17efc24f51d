"""The connection to a SQLite file: in forks, in threads, and after each kind of error."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from supervisor._checkpoints import file_systems, sqlite
from supervisor._checkpoints.database import Damaged
from supervisor._checkpoints.sqlite import SqliteDatabase
from supervisor.errors import StoreUnavailable

_NOT_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")


@pytest.fixture
def database(memory_path: Path) -> Iterator[SqliteDatabase]:
    """Return a connection to a file with one table."""
    made = SqliteDatabase(memory_path / "runs.db", "sqlite:///it")
    with made.writing():
        made.do("CREATE TABLE t (x)")
    yield made
    made.close()


def _connection(database: SqliteDatabase) -> sqlite3.Connection:
    return database.do("SELECT 1").connection


# -- forks and threads -----------------------------------------------------------------------------


def test_a_fork_makes_a_connection_of_its_own(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the parent is neither used nor closed, also when nothing refers to it any more."""
    of_parent = _connection(database)
    with monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: -1)
        assert _connection(database) is not of_parent
        assert any(left is of_parent for left in sqlite._left_to_parent)
        database.close()
    assert of_parent.execute("SELECT 1").fetchone() == (1,)
    of_parent.close()


def test_a_fork_that_closes_its_store_leaves_the_connection_to_its_parent(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork that did nothing with the store closes nothing."""
    of_parent = _connection(database)
    with monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: -1)
        database.close()
    assert of_parent.execute("SELECT 1").fetchone() == (1,)
    of_parent.close()


def _end_as_child(path: Path) -> NoReturn:
    is_opened = False
    try:
        is_opened = not sqlite._opening.locked() and SqliteDatabase(path, "url").has_table("t")
    finally:
        os._exit(int(not is_opened))


def test_a_fork_can_open_a_file_though_its_parent_was_opening_one(
    database: SqliteDatabase, memory_path: Path
) -> None:
    """A child has no thread that would ever release the lock."""
    with sqlite._opening, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child starts nothing
        if (child := os.fork()) == 0:
            _end_as_child(memory_path / "runs.db")
    assert os.waitpid(child, 0)[1] == 0


def test_one_connection_is_used_by_several_threads(database: SqliteDatabase) -> None:
    """It may be set up in one thread, and used and closed in another one."""
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(database.has_table, "t").result(20)
        thread.submit(database.close).result(20)


# -- errors ----------------------------------------------------------------------------------------


def _fail_after(database: SqliteDatabase, sql: str) -> None:
    with database.writing():
        database.do(sql)
        raise sqlite3.OperationalError("the disk has failed")


def test_a_transaction_that_sqlite_has_ended_costs_no_connection(
    database: SqliteDatabase,
) -> None:
    """SQLite rolls back by itself where a disk is full; then there is nothing to roll back."""
    before = _connection(database)
    with pytest.raises(StoreUnavailable, match="the disk has failed"):
        _fail_after(database, "ROLLBACK")
    assert _connection(database) is before


def _refuse_to_roll_back(action: int, name: str | None, *_: object) -> int:
    is_refused = (action, name) == (sqlite3.SQLITE_TRANSACTION, "ROLLBACK")
    return sqlite3.SQLITE_DENY if is_refused else sqlite3.SQLITE_OK


def test_a_transaction_that_cannot_be_rolled_back_goes_with_its_connection(
    database: SqliteDatabase,
) -> None:
    """The first error is told, nothing is written, and the next transaction can begin."""
    _connection(database).set_authorizer(_refuse_to_roll_back)
    with pytest.raises(StoreUnavailable, match="the disk has failed"):
        _fail_after(database, "INSERT INTO t VALUES (1)")
    with database.writing():
        assert database.do("SELECT * FROM t").fetchall() == []


def test_only_a_damaged_file_is_called_damaged(database: SqliteDatabase, tmp_path: Path) -> None:
    """A file that is no database is damaged; one that refuses a statement is not."""
    (tmp_path / "text").write_text("What this file has is no database.\n" * 100)
    with pytest.raises(Damaged), SqliteDatabase(tmp_path / "text", "url").reading():
        pass
    with pytest.raises(StoreUnavailable) as caught, database.reading():
        database.do("SELECT * FROM absent")
    assert not isinstance(caught.value, Damaged)


def test_a_schema_whose_damage_cannot_be_told_is_damaged(memory_path: Path) -> None:
    """SQLite's own message has the damaged name, and Python cannot make a text of it."""
    path = memory_path / "runs.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET name = CAST(x'74ff' AS TEXT), sql = 'no'")
    database = SqliteDatabase(path, "url")
    with pytest.raises(Damaged, match="the file is damaged"), database.reading():
        database.has_table("t")
    database.close()


@_NOT_LINUX
def test_a_file_that_is_refused_is_closed(tmp_path: Path) -> None:
    """No descriptor of it is left, even while somebody looks at the error."""
    path = tmp_path / "text"
    path.write_text("What this file has is no database.\n" * 100)
    with pytest.raises(Damaged) as caught, SqliteDatabase(path, "url").reading():
        pass
    assert str(path) not in _open_files()
    assert caught.value.__traceback__ is not None


def _open_files() -> set[str]:
    found = set[str]()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(str(descriptor.readlink()))
    return found


@_NOT_LINUX
def test_a_file_on_a_shared_file_system_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's locks do not work there."""
    table = tmp_path / "mountinfo"
    table.write_text("30 22 0:40 / / rw - nfs4 server:/export rw\n")
    monkeypatch.setattr(file_systems, "_MOUNTS", table)
    database = SqliteDatabase(tmp_path / "runs.db", "url")
    with pytest.raises(StoreUnavailable, match="it lies on nfs4"), database.reading():
        pass
    assert not (tmp_path / "runs.db").exists()


def test_a_file_that_cannot_be_switched_to_wal_is_given_up(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits too long for somebody who has the whole file is told so."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    path = memory_path / "runs.db"
    database = SqliteDatabase(path, "url")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="another process"), database.reading():
            pass


# -- what a connection is --------------------------------------------------------------------------


def test_each_commit_reaches_the_disk_itself(database: SqliteDatabase) -> None:
    """On macOS `fsync` alone leaves what is written in the disk's memory."""
    assert database.do("PRAGMA fullfsync").fetchone() == (1,)


def test_a_damaged_text_comes_through(database: SqliteDatabase) -> None:
    """Bytes that are no UTF-8 are for the check to find, which can say which run is damaged."""
    assert database.do("SELECT CAST(x'41ff' AS TEXT)").fetchone() == ("A\udcff",)
