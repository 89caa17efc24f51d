"""A store in PostgreSQL, by psycopg (the extra `postgres`).

The server's clock alone decides who has a run. Each method is one short transaction. An owner that
is paused within one keeps the row locked: the server ends such a transaction before the lease is
over.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import psycopg

from supervisor._checkpoints import contents, run_table
from supervisor._checkpoints.database import Cursor, Leases
from supervisor._checkpoints.postgres_connection import (
    Connection,
    connect,
    parameters_of,
    problem_of,
    shown,
)
from supervisor._checkpoints.rows import RunRow, from_column, to_column
from supervisor._checkpoints.sql_store import SqlStore
from supervisor._checkpoints.store import Acquired, Commit, NewRun, Renewal
from supervisor._core.errors import RunNotFound, StoreUnavailable

T = TypeVar("T")

_LONGEST_PATIENCE: Final = 5.0
_SHORTEST_PATIENCE: Final = 1.0
_NOW: Final = "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"
_WRITING: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_TABLES_LOCK: Final = 0x7376_7275_6E73  # "svruns"; the lock of those who make the tables

Beside = Callable[[psycopg.Connection[Any]], object]
"""What somebody else does in a transaction of ours."""


class PostgresDatabase:
    """A connection to a database of PostgreSQL, which is made when it is first needed.

    Args:
        url: As libpq takes it.
    """

    def __init__(self, url: str) -> None:
        self._given = url
        self._parameters = parameters_of(url)
        self.url = shown(self._parameters)
        self.patience = _LONGEST_PATIENCE
        self.is_in_doubt = False
        """Whether the last transaction may have been committed, though its end was not heard."""
        self._connection: Connection | None = None
        self._process = 0

    def clone(self) -> PostgresDatabase:
        """Return another connection."""
        other = PostgresDatabase(self._given)
        other.patience = self.patience
        return other

    def close(self) -> None:
        """Close the connection; a transaction is rolled back by that."""
        connection, self._connection = self._connection, None
        if connection is not None and self._process == os.getpid():
            connection.close()

    def do(self, sql: str, values: Sequence[object] = ()) -> Cursor:
        """Execute one statement, within a transaction."""
        return self.connection.execute(_dialect(sql), values)

    def do_each(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each row of values, within a transaction."""
        try:
            self.connection.cursor().executemany(_dialect(sql), rows)
        except psycopg.Error as error:
            # Where it leaves its pipeline in another error, that one hides the first.
            first = error.__context__
            raise (first if isinstance(first, psycopg.Error) else error) from None

    def has_table(self, name: str) -> bool:
        """Tell whether there is a table of that name."""
        found = self.do("SELECT to_regclass(?) IS NOT NULL", (name,)).fetchone()
        return bool(found[0])

    def lock_tables(self) -> None:
        """Let nobody else make tables until the transaction ends."""
        self.do("SELECT pg_advisory_xact_lock(?)", (_TABLES_LOCK,))

    @property
    def connection(self) -> Connection:
        """The connection, for somebody else's statements in a transaction."""
        assert self._connection is not None, "within a transaction"
        return self._connection

    @contextlib.contextmanager
    def writing(self) -> Generator[None]:
        """Begin a transaction, and commit it at the end of the block."""
        with self._transaction(_WRITING):
            yield

    @contextlib.contextmanager
    def reading(self) -> Generator[None]:
        """Begin a transaction whose statements all see the same state."""
        with self._transaction(_READING):
            yield

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Generator[None]:
        self.is_in_doubt = False
        try:
            self._begin(begin)
            yield
            self.is_in_doubt = True
            self.connection.execute("COMMIT")
            self.is_in_doubt = False
        except psycopg.Error as error:
            self._roll_back()
            raise StoreUnavailable(self.url, problem_of(error)) from error
        except BaseException:
            self._roll_back()
            raise

    def _begin(self, begin: str) -> None:
        """Begin a transaction; once more where the connection has broken since the last one."""
        # It says that a row is locked before we give it up; it takes long to get what is long.
        locked, idle = int(self.patience * 700), int(self.patience * 2000)
        text = (
            f"{begin}; SET LOCAL lock_timeout = {locked}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {idle}"
        ).encode()
        is_old = self._connection is not None
        try:
            self._opened().execute(text)
        except psycopg.OperationalError:
            if not is_old:
                raise
            self.close()
            self._opened().execute(text)

    def _opened(self) -> Connection:
        if self._connection is not None and self._process != os.getpid():
            _left_to_parent.append(self._connection)
            self._connection = None
        if self._connection is None:
            self._connection = connect(self._parameters, self.patience)
            self._process = os.getpid()
        self._connection.patience = self.patience
        return self._connection

    def _roll_back(self) -> None:
        """Give up the transaction; with the connection, where that is at anything else."""
        if self._connection is None:
            return
        try:
            self._connection.rollback()
        except psycopg.Error:
            self.close()


_left_to_parent: list[Connection] = []


def _patience(lease: float) -> float:
    """Return for how long to wait for a server that is silent: it may be asked three times."""
    return min(max(_SHORTEST_PATIENCE, lease / 3), _LONGEST_PATIENCE)


def _dialect(sql: str) -> bytes:
    return sql.replace("?", "%s").replace("sv_now()", _NOW).encode()


class PostgresStore(SqlStore):
    """A store of runs in PostgreSQL.

    Args:
        database: The connection.
    """

    def __init__(self, database: PostgresDatabase) -> None:
        super().__init__(database, Leases())
        self._postgres = database
        self._unheard: tuple[str, int, int] | None = None

    def clone(self) -> PostgresStore:
        """Return another object on the same store."""
        return PostgresStore(self._postgres.clone())

    def submit(self, run_id: str, new: NewRun, *, beside: Beside | None = None) -> bool:
        """Put a run there that is queued.

        Args:
            run_id: The run.
            new: What it is.
            beside: Called with the connection if there was none of that id: what it does is
                committed with the run.
        """

        def put() -> bool:
            is_new = run_table.insert(self._postgres, run_id, new)
            if is_new and beside is not None:
                beside(self._postgres.connection)
            return is_new

        return self._surely(put, lambda is_new: not is_new or self._row(run_id) is not None)

    def acquire(
        self, run_id: str, owner: str, lease: float, *, new: NewRun | None = None
    ) -> Acquired:
        """Take a run, in one transaction."""
        self._postgres.patience = _patience(lease)
        return self._surely(
            lambda: self._take(run_id, owner, lease, new),
            lambda taken: taken.fence is None or self._has(run_id, owner, taken.fence),
        )

    def renew(self, owner: str, fences: Mapping[str, int], lease: float) -> Renewal:
        """Lengthen the leases of runs: one statement, however many they are."""
        self._postgres.patience = _patience(lease)
        run_ids = [to_column(run_id) for run_id in fences]
        with self._postgres.writing():
            found = self._postgres.do(
                """UPDATE sv_run SET lease_until = sv_now() + ?
                FROM unnest(CAST(? AS TEXT[]), CAST(? AS BIGINT[])) AS asked (run_id, run_fence)
                WHERE id = run_id AND fence = run_fence AND owner = ?
                RETURNING id, cancel_requested""",
                (lease, run_ids, list(fences.values()), to_column(owner)),
            ).fetchall()
        told = {from_column(run_id): bool(wants_cancel) for run_id, wants_cancel in found}
        return Renewal(
            lost=frozenset(fences.keys() - told.keys()),
            cancelled=frozenset(run_id for run_id, wants_cancel in told.items() if wants_cancel),
        )

    def commit(self, run_id: str, fence: int, commit: Commit) -> None:
        """Write what is new of a run, in one transaction."""
        key = run_id, fence, commit.turn
        if self._unheard == key and self._is_written(run_id, fence, commit):
            self._unheard = None
            return
        self._unheard = None
        try:
            self._surely(
                lambda: contents.write(self._postgres, run_id, fence, commit),
                lambda _: self._is_written(run_id, fence, commit),
            )
        except StoreUnavailable:
            self._unheard = key  # the next try looks first
            raise

    def _surely(self, act: Callable[[], T], is_done: Callable[[T], bool]) -> T:
        """Do something in a transaction, once.

        Where the server goes away while it commits, nobody hears whether it has: what stands there
        tells then.

        Args:
            act: Does it.
            is_done: Given its result, looks whether it was committed.
        """
        results = list[T]()
        try:
            with self._postgres.writing():
                results.append(act())
        except StoreUnavailable:
            if not self._postgres.is_in_doubt:
                raise
            if not is_done(results[0]):
                with self._postgres.writing():
                    return act()
        return results[0]

    def _is_written(self, run_id: str, fence: int, commit: Commit) -> bool:
        """Tell whether the run stands where a commit of this owner leaves it."""
        if commit.turn == commit.expects and commit.end is None:
            return False  # nothing tells, and to write it again changes nothing
        row = self._row(run_id)
        if row is None or row.fence != fence or row.info.turn != commit.turn:
            return False
        return (row.info.owner is None) == (commit.end is not None)

    def _has(self, run_id: str, owner: str, fence: int) -> bool:
        row = self._row(run_id)
        return row is not None and (row.info.owner, row.fence) == (owner, fence)

    def _row(self, run_id: str) -> RunRow | None:
        with self._postgres.reading():
            try:
                return run_table.find(self._postgres, run_id)
            except RunNotFound:
                return None


def postgres_store(url: str) -> PostgresStore:
    """Return a store in a database; nothing is opened yet.

    Raises:
        SettingsError: The URL cannot be read.
    """
    return PostgresStore(PostgresDatabase(url))
