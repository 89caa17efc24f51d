"""The URLs of stores."""

from __future__ import annotations

from pathlib import Path

from supervisor._checkpoints.store import CheckpointStore
from supervisor._core.errors import SettingsError

_SQLITE = "sqlite:///"
_POSTGRES = "postgresql://", "postgres://"
_RULE = "give sqlite:///runs.db, sqlite:////var/lib/runs.db or postgresql://host/database"


def open_store(url: str) -> CheckpointStore:
    """Return the store that a URL names; nothing is opened before it is used.

    A path after three slashes is relative to the current folder, after four it is absolute, and
    `~` is the user's home.

    Raises:
        SettingsError: The URL names no store, or what it needs is not installed.
    """
    if url.startswith(_SQLITE):
        return _sqlite(url)
    if url.startswith(_POSTGRES):
        return _postgres(url)
    raise SettingsError("checkpoints", _RULE, _without_secrets(url))


def _sqlite(url: str) -> CheckpointStore:
    try:
        from supervisor._checkpoints.sqlite import SqliteStore
    except ImportError:
        raise SettingsError("checkpoints", "use a Python that has sqlite3", url) from None

    path = url.removeprefix(_SQLITE)
    if not path or path.endswith("/"):
        raise SettingsError("checkpoints", "name a file, as in sqlite:///runs.db", url)
    if path == ":memory:":
        raise SettingsError("checkpoints", "name a file; what is in memory is lost", url)
    if set(path) & set("?#\0"):
        raise SettingsError("checkpoints", "name a file without ? and #; it has no options", url)
    return SqliteStore(_expanded(path, url), url)


def _expanded(path: str, url: str) -> Path:
    try:
        path.encode("utf-8", "surrogateescape")
        return Path(path).expanduser()
    except RuntimeError:
        raise SettingsError("checkpoints", "name the home of a user who has one", url) from None
    except UnicodeEncodeError:
        raise SettingsError("checkpoints", "name a file that can have this name", url) from None


def _postgres(url: str) -> CheckpointStore:
    try:
        from supervisor._checkpoints.postgres import postgres_store
    except ImportError:  # psycopg is not there, or has no libpq
        rule = "install autogen-supervisor[postgres], or give a sqlite:/// URL"
        raise SettingsError("checkpoints", rule, _without_secrets(url)) from None
    return postgres_store(url)


def _without_secrets(url: str) -> str:
    """Return no more of a URL than its scheme, where it may have a password."""
    scheme, separator, _ = url.partition("://")
    return f"{scheme}://..." if separator else url
