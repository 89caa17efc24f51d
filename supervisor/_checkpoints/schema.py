"""The tables of a store: plain DDL in numbered steps, the same for SQLite and PostgreSQL.

A step that was released is never changed: a later format is a further step. Columns hold text,
whole numbers and seconds since 1970; nothing in them is pickled or of a type that only one of the
two has.
"""

from __future__ import annotations

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE sv_run (
            id TEXT PRIMARY KEY,
            status TEXT NOT NULL,
            team TEXT NOT NULL,
            shape TEXT NOT NULL,
            task TEXT NOT NULL,
            task_digest TEXT NOT NULL,
            turn BIGINT NOT NULL,
            attempts BIGINT NOT NULL,
            failures BIGINT NOT NULL,
            fence BIGINT NOT NULL,
            owner TEXT,
            lease_until DOUBLE PRECISION,
            cancel_requested BIGINT NOT NULL,
            stop_reason TEXT,
            error TEXT,
            created DOUBLE PRECISION NOT NULL,
            updated DOUBLE PRECISION NOT NULL,
            state TEXT,
            digest TEXT
        )""",
        "CREATE INDEX sv_run_status ON sv_run (status, updated)",
        """CREATE TABLE sv_entry (
            run_id TEXT NOT NULL,
            log TEXT NOT NULL,
            pos BIGINT NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (run_id, log, pos)
        )""",
        """CREATE TABLE sv_call (
            run_id TEXT NOT NULL,
            call_id TEXT NOT NULL,
            pos BIGINT NOT NULL,
            kind TEXT NOT NULL,
            turn BIGINT NOT NULL,
            agent TEXT NOT NULL,
            tool TEXT NOT NULL,
            arguments TEXT NOT NULL,
            fence BIGINT NOT NULL,
            result TEXT,
            digest TEXT NOT NULL,
            PRIMARY KEY (run_id, call_id)
        )""",
    ),
)
"""Step n leads from format n to format n + 1."""

FORMAT = len(STEPS)
"""The format that this version writes, and the newest that it reads."""

META = "CREATE TABLE IF NOT EXISTS sv_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
"""Of every format, as is the key "format" in it."""
