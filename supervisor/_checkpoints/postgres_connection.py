"""Connections to PostgreSQL that do not wait for ever, and what their errors mean.

They hold through PgBouncer in its modes `session` and `transaction`: no statement is prepared, and
no setting outlives a transaction.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Generator
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from supervisor._core.errors import SettingsError

T = TypeVar("T")

_HIDDEN: Final = "postgresql://..."
_RULE: Final = "give postgresql://user@host:5432/database"
_ESCAPE: Final = "write @ in a user or a password as %40, and / as %2F"
_DEFAULTS: Final = {
    "application_name": "autogen-supervisor",
    "client_encoding": "UTF8",
    # A network that went away is noticed, though nothing is on its way.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
# What the URL says already.
_WHERE: Final = re.compile(r"connection failed: (connection to server at .*? failed: )?(FATAL: +)?")
_SHORTEST_CONNECT: Final = 2  # seconds; libpq takes none that is shorter


def parameters_of(url: str) -> dict[str, Any]:
    """Return what a URL says.

    Raises:
        SettingsError: It cannot be read, or could be read otherwise than it is meant. The message
            has nothing of it: it may have a password.
    """
    _, _, rest = url.partition("://")
    place, _, path = rest.partition("/")
    if place.count("@") > 1 or "@" in path.partition("?")[0]:
        raise SettingsError("checkpoints", _ESCAPE, _HIDDEN)
    try:
        return {**_DEFAULTS, **conninfo_to_dict(url)}
    except psycopg.Error:
        raise SettingsError("checkpoints", _RULE, _HIDDEN) from None


def shown(parameters: dict[str, Any]) -> str:
    """Return the URL of a database, without a password or another option."""
    user, host, port = (parameters.get(name) for name in ("user", "host", "port"))
    who = f"{user}@" if user else ""
    where = f":{port}" if port else ""
    return f"postgresql://{who}{host or ''}{where}/{parameters.get('dbname') or ''}"


class Connection(psycopg.Connection[TupleRow]):
    """A connection that gives up a server which is silent for too long."""

    patience: float
    """How many seconds are too long."""

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **settings: Any) -> T:
        """Do what the generator does; raise an OperationalError where nothing comes."""
        return super().wait(_impatient(gen, self.patience), *args, **settings)


def connect(parameters: dict[str, Any], patience: float) -> Connection:
    """Connect to a database.

    Args:
        parameters: What its URL says.
        patience: The seconds for which it may be silent.

    Raises:
        psycopg.Error: It does not answer, or refuses.
    """
    timeout = max(_SHORTEST_CONNECT, math.ceil(patience))
    connection = Connection.connect(
        make_conninfo("", **{"connect_timeout": timeout, **parameters}),
        autocommit=True,
        prepare_threshold=None,
    )
    connection.patience = patience
    return connection


def problem_of(error: psycopg.Error) -> str:
    """Return what an error says, in one line."""
    said = error.diag.message_primary or str(error)
    return _WHERE.sub("", said.strip().partition("\n")[0]).rstrip(".")


def _impatient(work: Generator[Any, Any, T], patience: float) -> Generator[Any, Any, T]:
    """Do what a generator of psycopg does, as long as its socket is ready now and then.

    It is sent what its socket is ready for, every tenth of a second at least.
    """
    heard = time.monotonic()
    ready = None
    while True:
        try:
            wanted = work.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result
        ready = yield wanted
        if ready:
            heard = time.monotonic()
        elif time.monotonic() - heard > patience:
            raise psycopg.OperationalError(f"it has not answered for {patience:g} s")
