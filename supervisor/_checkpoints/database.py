"""What a store in SQL needs of a database: statements, transactions, and who is alive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from supervisor._core.errors import StoreUnavailable


class Damaged(StoreUnavailable):
    """The database itself is damaged, or is none."""

    def __str__(self) -> str:
        return f"cannot use {self.store}: {self.problem}; restore it from a backup, or name another"


class Cursor(Protocol):
    """What a statement gives, in either driver."""

    @property
    def rowcount(self) -> int:
        """How many rows it has changed."""
        ...

    def fetchone(self) -> Any:
        """Return the next row; None after the last one."""
        ...

    def fetchall(self) -> Sequence[Any]:
        """Return the rows that are left."""
        ...


class Database(Protocol):
    """A connection to a database, which is made when it is first needed.

    In its statements a value stands as `?`, and `sv_now()` is the database's clock in seconds since
    1970. No statement has a question mark or a percent sign otherwise. A statement that ends with
    `FOR UPDATE` locks its rows until the transaction ends, where the transaction does not lock
    everything. Each method raises `StoreUnavailable` where the database does not answer.
    """

    url: str
    """Where it is, without a password; for messages."""

    def close(self) -> None:
        """Let go of it."""
        ...

    def do(self, sql: str, values: Sequence[object] = ()) -> Cursor:
        """Execute one statement."""
        ...

    def do_each(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each row of values."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Begin a transaction; commit it at the end of the block, unless that raises."""
        ...

    def reading(self) -> AbstractContextManager[None]:
        """Begin a transaction whose statements all see the same state."""
        ...

    def has_table(self, name: str) -> bool:
        """Tell, within a transaction, whether there is a table of that name."""
        ...

    def lock_tables(self) -> None:
        """Let nobody else make tables, or note a fence, until the transaction ends."""
        ...


class Ownership(Protocol):
    """How it is known that the owner of a run lives."""

    sees_owners: bool
    """Whether the kernel tells; else the lease does."""

    def claim(self, owner: str) -> None:
        """Make known that this owner lives, until it is closed."""
        ...

    def lease(self, seconds: float) -> float | None:
        """Return for how long a lease is written; None for none."""
        ...

    def lives(self, owner: str, *, is_in_time: bool | None) -> bool:
        """Tell whether an owner lives; `is_in_time` is None where no lease was written."""
        ...

    def close(self) -> None:
        """Let go of the owners that were claimed here."""
        ...


class Leases:
    """Nobody tells whether an owner lives but its lease."""

    sees_owners = False

    def claim(self, owner: str) -> None:
        """Do nothing."""

    def lease(self, seconds: float) -> float | None:
        """Return these seconds."""
        return seconds

    def lives(self, owner: str, *, is_in_time: bool | None) -> bool:  # noqa: ARG002
        """Tell whether the lease lasts."""
        return is_in_time is True

    def close(self) -> None:
        """Do nothing."""
