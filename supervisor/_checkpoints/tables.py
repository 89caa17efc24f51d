"""The tables of a store are made, or brought to the format of this version."""

from __future__ import annotations

import re

from supervisor._checkpoints.database import Database
from supervisor._checkpoints.schema import FORMAT, META, STEPS
from supervisor._core.errors import CheckpointTooNew, StoreUnavailable


def set_up(database: Database) -> None:
    """Make the tables, or bring them to this format; any number of processes may do so at once.

    Raises:
        CheckpointTooNew: They have a newer format.
    """
    with database.reading():
        if _format(database) == FORMAT:
            return
    with database.writing():
        database.lock_tables()
        database.do(META)
        for step in STEPS[_format(database) :]:
            for statement in step:
                database.do(statement)
        put_meta(database, "format", str(FORMAT))


def meta(database: Database, key: str) -> str | None:
    """Return what is noted of the whole store under a key."""
    row = database.do("SELECT value FROM sv_meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def put_meta(database: Database, key: str, value: str) -> None:
    """Note something of the whole store."""
    database.do(
        "INSERT INTO sv_meta (key, value) VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )


def _format(database: Database) -> int:
    """Return the format of the tables; 0 where there are none."""
    text = meta(database, "format") if database.has_table("sv_meta") else None
    if text is None:
        return 0
    if not re.fullmatch("[0-9]{1,9}", text):
        raise StoreUnavailable(database.url, f"its format is {text[:20]!r}, which is no number")
    if int(text) > FORMAT:
        raise CheckpointTooNew(database.url, int(text), FORMAT)
    return int(text)
