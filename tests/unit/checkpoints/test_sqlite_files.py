"""The files of a store in SQLite: who may read them, and what is said of a file that is none."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor._checkpoints import sqlite
from supervisor._checkpoints.database import Database
from supervisor._checkpoints.integrity import check
from supervisor._checkpoints.sql_store import SqlStore
from supervisor._checkpoints.sqlite import SqliteDatabase, SqliteStore
from supervisor._checkpoints.store import CheckpointStore, RunStatus
from supervisor.errors import (
    CheckpointCorrupt,
    CheckpointError,
    LeaseLost,
    StoreUnavailable,
    UsageError,
)
from tests.checkpoints.kept_run import RUN, KeptRun, transcript, work


@contextlib.contextmanager
def opened(path: Path) -> Generator[CheckpointStore]:
    """Have a store in a file, which is set up."""
    store = SqliteStore(path, f"sqlite:///{path}")
    try:
        store.setup()
        yield store
    finally:
        store.close()


def test_only_its_owner_may_read_a_store(tmp_path: Path) -> None:
    """The file is 0600, and so are those that lie beside it; no other one is made."""
    with opened(tmp_path / "runs.db") as store:
        KeptRun(store).finish_turn()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(
        ["runs.db", "runs.db-wal", "runs.db-shm", "runs.db-owners"], 0o600
    )


def test_a_store_that_is_closed_leaves_no_journal(tmp_path: Path) -> None:
    """Who closes it last puts all into one file, which can be copied."""
    with opened(tmp_path / "runs.db") as store:
        KeptRun(store).finish_turn()
    assert not {"runs.db-wal", "runs.db-shm"} & {path.name for path in tmp_path.iterdir()}


def test_a_file_of_the_user_keeps_its_permissions(tmp_path: Path) -> None:
    """A file that was there before is used as it is, and the others are like it."""
    path = tmp_path / "runs.db"
    path.touch(0o640)
    path.chmod(0o640)
    with opened(path) as store:
        KeptRun(store)
        assert {stat.S_IMODE(found.stat().st_mode) for found in tmp_path.iterdir()} == {0o640}


def test_each_commit_is_on_the_disk(tmp_path: Path) -> None:
    """The journal is a WAL, and each commit waits for the disk."""
    with opened(tmp_path / "runs.db"):
        database = SqliteDatabase(tmp_path / "runs.db", "url")
        with database.reading():
            assert database.do("PRAGMA journal_mode").fetchone() == ("wal",)
            assert database.do("PRAGMA synchronous").fetchone() == (2,)
        database.close()


def test_other_tables_of_a_file_stay(tmp_path: Path) -> None:
    """A store can live in a file that has something else as well."""
    path = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE users AS SELECT 1 AS id")
    with opened(path) as store:
        KeptRun(store).finish_turn()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM users").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("folder", "it is a folder, not a file"),
        ("/dev/null", "it is no ordinary file"),
        ("absent/runs.db", "there is no folder '.*/absent'"),
        ("text/runs.db", "there is no folder '.*/text'"),
        ("text", "the file is not a SQLite database"),
        ("x" * 300, "the file cannot be made: File name too long"),
    ],
)
def test_what_is_no_store_is_said_in_one_line(tmp_path: Path, name: str, problem: str) -> None:
    """Nothing is made, and nothing is changed."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("What this file has is no database.\n" * 100)
    store = SqliteStore(tmp_path / name, "sqlite:///it")
    with pytest.raises(StoreUnavailable, match=f"^cannot use sqlite:///it: {problem}; ") as caught:
        store.setup()
    assert "\n" not in str(caught.value)
    store.close()
    assert (tmp_path / "text").read_text().startswith("What this file")
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "text"}


def test_a_file_whose_format_is_no_number_is_said(tmp_path: Path) -> None:
    """It is no store of ours, or a damaged one."""
    path = tmp_path / "runs.db"
    for value in ("soon", "9" * 5000, b"1"):
        with opened(path):
            pass
        _change(path, "UPDATE sv_meta SET value = ? WHERE key = 'format'", value)
        with pytest.raises(StoreUnavailable, match="which is no number"), opened(path):
            pass
        path.unlink()


def test_a_run_on_a_damaged_page_is_corrupt(sound: Path, memory_path: Path) -> None:
    """The file can be opened, and the run is named of which something cannot be read."""
    path = memory_path / "runs.db"
    shutil.copy(sound, path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sv_entry'")
        (page,) = found.fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    with opened(path) as store:
        assert store.info(RUN).turn == 2
        with pytest.raises(CheckpointCorrupt, match="the file is damaged") as caught:
            store.load(RUN)
    assert caught.value.run_id == RUN


def test_a_file_that_others_keep_locked_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits too long for another writer is told so; reading goes on, and nothing is lost."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    path = tmp_path / "runs.db"
    with opened(path) as store, contextlib.closing(sqlite3.connect(path)) as other:
        run = KeptRun(store)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="another process has been writing for"):
            run.give_up(RunStatus.STOPPED)
        assert store.info(RUN).status is RunStatus.RUNNING
        other.execute("ROLLBACK")
        run.give_up(RunStatus.STOPPED)
        assert store.info(RUN).status is RunStatus.STOPPED


def test_a_full_file_loses_nothing(tmp_path: Path) -> None:
    """A commit that does not fit is not written at all, and can be made when there is room."""
    with opened(tmp_path / "runs.db") as store:
        assert isinstance(store, SqlStore)
        database = store._database
        run = KeptRun(store)
        run.finish_turn()
        with database.reading():
            pages = database.do("PRAGMA page_count").fetchone()[0]
        _set_limit(database, pages)
        turns = _fill(run)
        assert store.load(RUN).info.turn == turns
        _set_limit(database, 1 << 30)
        run.give_up(RunStatus.STOPPED)
        run = KeptRun(store)
        assert run.turn == turns
        run.finish_turn()


def _fill(run: KeptRun) -> int:
    """Write turns until none fits any more; return how many there are."""
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        _finish_turns(run, 100)
    return run.turn


def _finish_turns(run: KeptRun, count: int) -> None:
    for _ in range(count):
        run.finish_turn()


def _set_limit(database: Database, pages: int) -> None:
    with database.reading():
        database.do(f"PRAGMA max_page_count = {pages}")


_COLUMNS = """
sv_run.id sv_run.status sv_run.team sv_run.shape sv_run.task sv_run.task_digest sv_run.turn
sv_run.attempts sv_run.failures sv_run.fence sv_run.owner sv_run.lease_until sv_run.cancel_requested
sv_run.stop_reason sv_run.error sv_run.created sv_run.updated sv_run.state sv_run.digest
sv_entry.run_id sv_entry.log sv_entry.pos sv_entry.body
sv_call.run_id sv_call.call_id sv_call.pos sv_call.kind sv_call.turn sv_call.agent sv_call.tool
sv_call.arguments sv_call.fence sv_call.result sv_call.digest
sv_meta.key sv_meta.value
"""
_PLACES = [tuple(place.split(".")) for place in _COLUMNS.split()]
_INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**63 - 1, 2**62, -1, 0, 1, 2, 3])
_VALUES = (
    st.none()
    | _INTEGERS
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from([b"\xff\xfe", "running", "completed", "[]", "{}", "null"])
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store's file with one run that is not ended."""
    path = tmp_path_factory.mktemp("sound") / "runs.db"
    with opened(path) as store:
        run = KeptRun(store)
        for _ in range(2):
            run.call_tool()
            run.finish_turn()
    return path


_DAMAGES = given(place=st.sampled_from(_PLACES), value=_VALUES, as_text=st.booleans())
_SAME_FOLDER = [HealthCheck.function_scoped_fixture]


@settings(max_examples=40, suppress_health_check=_SAME_FOLDER)
@_DAMAGES
def test_a_row_with_anything_in_it_is_read_or_refused(
    sound: Path, memory_path: Path, place: tuple[str, ...], value: object, as_text: bool
) -> None:
    """Whatever stands in a column: the transcript is right, or an error of ours says so."""
    _damage(sound, memory_path, place, value, as_text=as_text)


@pytest.mark.soak
@pytest.mark.timeout(600)
@settings(max_examples=3000, suppress_health_check=_SAME_FOLDER)
@_DAMAGES
def test_many_rows_with_anything_in_them_are_read_or_refused(
    sound: Path, memory_path: Path, place: tuple[str, ...], value: object, as_text: bool
) -> None:
    """Whatever stands in a column: the transcript is right, or an error of ours says so."""
    _damage(sound, memory_path, place, value, as_text=as_text)


def _damage(
    sound: Path, folder: Path, place: tuple[str, ...], value: object, *, as_text: bool
) -> None:
    path = folder / "runs.db"
    shutil.copy(sound, path)
    table, column = place
    new = "CAST(? AS TEXT)" if as_text else "?"
    with contextlib.suppress(sqlite3.IntegrityError):  # a column that must have a value
        _change(path, f"UPDATE {table} SET {column} = {new}", value)
    _read_all(path)
    _write_all(path)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _read_all(path: Path) -> None:
    with contextlib.suppress(CheckpointError), opened(path) as store:
        store.list()
        store.wanting()
        assert isinstance(store.has_fleet, bool)
        kept = check(store.load(RUN))
        assert kept is not None
        assert kept.logs == {"thread": transcript(2)}


def _write_all(path: Path) -> None:
    """Go on with a run, then do everything to it that can be done from outside."""
    with contextlib.suppress(CheckpointError), opened(path) as store:
        with contextlib.suppress(CheckpointError, LeaseLost):
            work(store, 3, lambda _: None)
        for method in (store.request_cancel, store.requeue, store.forget):
            with contextlib.suppress(CheckpointError, UsageError):
                method(RUN)


def _change(path: Path, sql: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(sql, values)


def test_a_file_system_without_shared_memory_is_named() -> None:
    """Where SQLite cannot switch to WAL, as for a database in memory, the store is unavailable."""
    with (
        contextlib.closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(StoreUnavailable, match="no shared memory, which WAL needs"),
    ):
        sqlite._set_journal(connection, "sqlite:///runs.db")


def test_the_switch_to_wal_waits_for_another_one(tmp_path: Path) -> None:
    """While another connection has the file for itself the switch is tried again."""
    path = tmp_path / "runs.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE t (x)")
    other.execute("BEGIN EXCLUSIVE")
    tries = list[str]()

    class Connection(sqlite3.Connection):
        """Has the other one let go before the third try."""

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            tries.append(sql)
            if len(tries) == 3:
                other.execute("COMMIT")
            return super().execute(sql, *values)

    ours = sqlite3.connect(path, isolation_level=None, timeout=0, factory=Connection)
    with contextlib.closing(other), contextlib.closing(ours):
        sqlite._set_journal(ours, "sqlite:///runs.db")
        assert ours.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert len(tries) == 4
