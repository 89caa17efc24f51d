"""A store in one SQLite file, by the standard library: no server, and no dependency.

The file is in WAL mode, and each commit is on the disk before it returns (`synchronous=FULL`).
Beside it lie `-wal` and `-shm`, which are SQLite's, and `-owners`, which has the owners' locks.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

from supervisor._checkpoints.database import Damaged
from supervisor._checkpoints.file_systems import refuse_shared_file_system
from supervisor._checkpoints.owner_locks import OwnerLocks
from supervisor._checkpoints.sql_store import SqlStore
from supervisor._core.errors import StoreUnavailable

BUSY_SECONDS = 10.0
"""How long a statement waits for another process that writes."""


class SqliteStore(SqlStore):
    """A store of runs in a SQLite file; nothing is opened before it is used.

    Args:
        path: The file.
        url: What messages call it.
        takes_locks: Whether its owners are told by locks; else by leases.
    """

    def __init__(self, path: Path, url: str, *, takes_locks: bool = True) -> None:
        self._path = path.absolute()  # it asks for the folder only: this may be called in a loop
        locks = OwnerLocks(str(self._path), url, takes_locks=takes_locks)
        super().__init__(SqliteDatabase(self._path, url), locks)

    def clone(self) -> SqliteStore:
        """Return another object on the same store; owners stay with this one."""
        return SqliteStore(self._path, self.url, takes_locks=self.sees_owners)


class SqliteDatabase:
    """A connection to a SQLite file, which is made when it is first needed.

    Args:
        path: The file.
        url: What messages call it.
    """

    def __init__(self, path: Path, url: str) -> None:
        self.url = url
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def close(self) -> None:
        """Close the connection; the last one to do so leaves one file."""
        self._leave_to_parent()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def do(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Execute one statement."""
        return self._opened().execute(sql.removesuffix(" FOR UPDATE"), values)

    def do_each(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each row of values."""
        for values in rows:
            self.do(sql, values)

    def has_table(self, name: str) -> bool:
        """Tell whether there is a table of that name."""
        found = self.do("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
        return found.fetchone() is not None

    def lock_tables(self) -> None:
        """Do nothing: the transaction is the only one to write."""

    @contextlib.contextmanager
    def writing(self) -> Generator[None]:
        """Begin a transaction that is the only one to write, from its beginning on."""
        with self._in_words(), self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextlib.contextmanager
    def reading(self) -> Generator[None]:
        """Begin a transaction that sees one state, whatever others write meanwhile."""
        with self._in_words(), self._transaction("BEGIN"):
            yield

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Generator[None]:
        self.do(begin)
        try:
            yield
            self.do("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        """Give up the transaction; with the connection, where the disk does not do even that."""
        # Where the disk was full, SQLite has rolled it back already.
        if self._connection is None or not self._connection.in_transaction:
            return
        try:
            self.do("ROLLBACK")
        except sqlite3.Error:
            self.close()

    @contextlib.contextmanager
    def _in_words(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            kind = Damaged if _code(error) in _DAMAGE else StoreUnavailable
            raise kind(self.url, problem_of(error)) from error
        except UnicodeDecodeError as error:  # within the text of an error
            raise Damaged(self.url, _DAMAGED) from error

    def _leave_to_parent(self) -> None:
        """Forget a connection of the process that forked this one, without closing it.

        SQLite would close it as if it had the parent's locks.
        """
        if self._connection is not None and self._process != os.getpid():
            _left_to_parent.append(self._connection)
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        self._leave_to_parent()
        if self._connection is None:
            self._connection = _connect(self._path, self.url)
            self._process = os.getpid()
        return self._connection


_left_to_parent = list[sqlite3.Connection]()
_opening = threading.Lock()


def _begin_anew_in_child() -> None:
    global _opening  # noqa: PLW0603 - another thread of the parent may have held it
    _opening = threading.Lock()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_begin_anew_in_child)


def _connect(path: Path, url: str) -> sqlite3.Connection:
    refuse_shared_file_system(path, url)
    # Under one lock: whoever closes a descriptor of the file drops this process's locks on it.
    with _opening:
        _make_private_file(path, url)
        connection = sqlite3.connect(
            path, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False
        )
    try:
        connection.create_function("sv_now", 0, time.time)
        connection.text_factory = _text
        _set_journal(connection, url)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS, where fsync alone does not suffice
    except BaseException:
        connection.close()
        raise
    return connection


def _text(column: bytes) -> str:
    """Return a column that should be a text; damaged bytes come through, for a check to find."""
    return column.decode("utf-8", "surrogateescape")


def _make_private_file(path: Path, url: str) -> None:
    """Make the file where there is none; SQLite gives `-wal` and `-shm` the same permissions."""
    try:
        problem = _problem_with(path)
    except OSError as error:
        raise StoreUnavailable(url, f"the file cannot be made: {error.strerror}") from error
    if problem:
        raise StoreUnavailable(url, problem)


def _problem_with(path: Path) -> str:
    if path.exists() and not path.is_file():
        return "it is a folder, not a file" if path.is_dir() else "it is no ordinary file"
    if not path.parent.is_dir():
        return f"there is no folder {str(path.parent)!r}"
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return "" if os.access(path, os.R_OK | os.W_OK) else "the file cannot be read and written"
    return ""


def _set_journal(connection: sqlite3.Connection, url: str) -> None:
    """Switch to WAL. SQLite does not wait for others who do so at the same time: so we do."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise StoreUnavailable(url, "its file system has no shared memory, which WAL needs")
        return


def problem_of(error: sqlite3.Error) -> str:
    """Return what an error of SQLite means, in words."""
    return _PROBLEMS.get(_code(error), str(error))


def _code(error: sqlite3.Error) -> int:
    """Return the primary code of an error; 0 for one that has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


_DAMAGED = "the file is damaged"
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PROBLEMS = {
    sqlite3.SQLITE_BUSY: f"another process has been writing for {BUSY_SECONDS:g} s",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database",
    sqlite3.SQLITE_READONLY: "the file, or its folder, cannot be written",
}
