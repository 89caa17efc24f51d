"""The store in PostgreSQL, where the network, the server or an owner fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from examples.fleet.postgres_server import PostgresServer
from supervisor._checkpoints import run_table, tables
from supervisor._checkpoints.database import Database
from supervisor._checkpoints.postgres import PostgresStore, postgres_store
from supervisor._checkpoints.store import CallRecord, Commit, End, RunStatus
from supervisor._checkpoints.urls import open_store
from supervisor.errors import LeaseLost, RunHeld, SettingsError, StoreUnavailable
from tests.checkpoints.proxies import Proxy, once
from tests.checkpoints.racers import LOG, NEW, turn_of
from tests.process.harness import Server
from tests.unit.checkpoints.contract import StoreContract, Stores

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

OWNER = "owner"
RUN = "run"
_COMMIT = b"COMMIT\0"  # a statement of its own


@pytest.fixture
def store(schema_url: str) -> Iterator[PostgresStore]:
    """Return a store whose tables are there."""
    opened = postgres_store(schema_url)
    opened.setup()
    yield opened
    opened.close()


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[Proxy]:
    """Return a network to the server."""
    with Proxy(postgres_server.port) as running:
        yield running


@pytest.fixture
def far(store: PostgresStore, schema_url: str, proxy: Proxy) -> Iterator[PostgresStore]:
    """Return the same store through that network."""
    opened = postgres_store(proxy.url_for(schema_url))
    yield opened
    opened.close()


def _take(store: PostgresStore, run: str = RUN) -> int:
    fence = store.acquire(run, OWNER, 30, new=NEW).fence
    assert fence is not None
    return fence


class PostgresStores:
    """Objects on a store in a schema of its own, all closed in the end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened = list[PostgresStore]()

    def open(self) -> PostgresStore:
        """Return another one."""
        self._opened.append(postgres_store(self._url))
        return self._opened[-1]

    def execute(self, statement: str, *values: object) -> Sequence[Any]:
        """Execute a statement behind their back."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            found = connection.execute(statement.replace("?", "%s").encode(), values)
            return found.fetchall() if found.description else []

    def close(self) -> None:
        """Close all of them."""
        for store in self._opened:
            store.close()


@pytest.fixture
def stores(schema_url: str) -> Iterator[Stores]:
    """Return a store."""
    made = PostgresStores(schema_url)
    yield Stores(made.open, made.execute)
    made.close()


class TestPostgres(StoreContract):
    """What each store promises."""


# --- what is written ------------------------------------------------------------------------------


def test_commits_what_somebody_adds_to_a_new_run(store: PostgresStore) -> None:
    """Both are there, or neither; for a run that is there already nothing is added."""
    with store._postgres.writing():
        store._postgres.do("CREATE TABLE hint (run TEXT)")

    def add(connection: psycopg.Connection[object]) -> None:
        connection.execute("INSERT INTO hint VALUES ('here')")

    def fail(connection: psycopg.Connection[object]) -> None:
        add(connection)
        connection.execute("INSERT INTO no_such_table VALUES (1)")

    with pytest.raises(StoreUnavailable, match='relation "no_such_table" does not exist'):
        store.submit(RUN, NEW, beside=fail)
    assert store.list() == []
    assert store.submit(RUN, NEW, beside=add)
    assert not store.submit(RUN, NEW, beside=add)
    with store._postgres.reading():
        assert store._postgres.do("SELECT run FROM hint").fetchall() == [("here",)]


@pytest.mark.parametrize("openers", [4])
def test_many_open_an_empty_database_at_once(schema_url: str, openers: int) -> None:
    """Each finds the tables, whoever makes them."""
    _open_at_once(schema_url, openers)


@pytest.mark.soak
def test_many_open_empty_databases_at_once(postgres_server: PostgresServer) -> None:
    """The same holds for 8 of them and 20 databases."""
    for _ in range(20):
        _open_at_once(postgres_server.new_database(), 8)


def _open_at_once(url: str, openers: int) -> None:
    barrier, failures = threading.Barrier(openers), list[BaseException]()

    def open_one() -> None:
        store = postgres_store(url)
        barrier.wait(30)
        try:
            store.setup()
            assert store.list() == []
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)
        store.close()

    threads = [threading.Thread(target=open_one) for _ in range(openers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


# --- a connection that fails ----------------------------------------------------------------------


def test_connects_again_where_the_connection_was_ended(
    store: PostgresStore, postgres_server: PostgresServer
) -> None:
    """What is asked next is answered, as if nothing had been."""
    fence = _take(store)
    with psycopg.connect(postgres_server.url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'autogen-supervisor'"
        )
    store.commit(RUN, fence, turn_of(OWNER, fence, 1))
    assert store.info(RUN).turn == 1


def test_a_forked_child_leaves_the_connection_alone(server: Server, schema_url: str) -> None:
    """It has one of its own, and the parent's is as it was when the child has ended."""
    with server.start("forks_beside_a_store", url=schema_url) as it:
        assert it.until("wrote")["has_kept_connection"]
        assert it.wait() == 0, it.story()
        assert it.stderr == ""


@pytest.mark.parametrize("last", [False, True], ids=["turn", "end"])
def test_a_commit_whose_answer_is_lost_counts(
    far: PostgresStore, store: PostgresStore, proxy: Proxy, last: bool
) -> None:
    """It is written once, and not refused as if somebody else had the run."""
    fence = _take(far)
    proxy.after = once(_COMMIT)
    far.commit(RUN, fence, turn_of(OWNER, fence, 1, last=last))
    assert proxy.connections == 2
    stored = store.load(RUN)
    assert (stored.info.turn, len(stored.logs[LOG])) == (1, 1)
    assert stored.info.status is (RunStatus.COMPLETED if last else RunStatus.RUNNING)
    if not last:
        far.commit(RUN, fence, turn_of(OWNER, fence, 2))
        with pytest.raises(LeaseLost):
            far.commit(RUN, fence, turn_of(OWNER, fence, 2))


def test_a_commit_whose_answer_is_lost_counts_once_the_server_is_back(
    far: PostgresStore, store: PostgresStore, proxy: Proxy
) -> None:
    """The caller's own next try finds it written."""
    fence = _take(far)
    proxy.after = once(_COMMIT)
    proxy.before = _begins_connection
    commit = turn_of(OWNER, fence, 1)
    with pytest.raises(StoreUnavailable):
        far.commit(RUN, fence, commit)
    proxy.before = _never
    far.commit(RUN, fence, commit)
    assert store.info(RUN).turn == 1


def test_calls_whose_commit_is_not_heard_of_are_there_once(
    far: PostgresStore, store: PostgresStore, proxy: Proxy
) -> None:
    """No turn tells whether they are there; they are written again, and may begin."""
    fence = _take(far)
    call = CallRecord(
        id="c", kind="tool", turn=0, agent="a", tool="pay", arguments="{}", fence=fence
    )
    proxy.after = once(_COMMIT)
    far.commit(RUN, fence, Commit(expects=0, turn=0, calls=[call]))
    assert proxy.connections == 2
    assert store.load(RUN).calls == [call]


def _begins_connection(data: bytes) -> bool:
    return data[:1] == b"\0"  # that message alone begins with its length


def _never(_data: bytes) -> bool:
    return False


def test_a_run_whose_take_is_not_heard_of_is_taken(
    far: PostgresStore, store: PostgresStore, proxy: Proxy
) -> None:
    """Its owner learns the same as if it had been heard, and has it once."""
    assert store.submit(RUN, NEW)
    proxy.after = once(_COMMIT)
    got = far.acquire(RUN, OWNER, 30)
    assert (got.fence, got.info.status) == (1, RunStatus.QUEUED)
    assert (store.info(RUN).owner, store.info(RUN).attempts) == (OWNER, 1)
    proxy.before = once(_COMMIT)
    assert far.acquire("other", OWNER, 30, new=NEW).fence == 1
    assert store.info("other").attempts == 1


def test_a_run_that_somebody_else_takes_first_is_refused(
    far: PostgresStore, store: PostgresStore, proxy: Proxy
) -> None:
    """An owner whose try was cut off does not take another one's fence for its own."""
    assert store.submit(RUN, NEW)
    far.list()  # it has a connection
    proxy.before = once(_COMMIT)
    is_second = once(b"\0\0\0")

    def take_first(data: bytes) -> bool:
        if _begins_connection(data) and is_second(data):
            store.acquire(RUN, "another", 30)
        return False

    proxy.after = take_first
    with pytest.raises(RunHeld, match="another"):
        far.acquire(RUN, OWNER, 30)


@pytest.mark.parametrize("is_cut", [False, True], ids=["answer lost", "cut off"])
def test_a_run_whose_submission_is_not_heard_of_is_there_once(
    far: PostgresStore, store: PostgresStore, proxy: Proxy, is_cut: bool
) -> None:
    """What was added is there once, and the caller is told that the run is new."""
    with store._postgres.writing():
        store._postgres.do("CREATE TABLE hint (run TEXT)")

    def add(connection: psycopg.Connection[object]) -> None:
        connection.execute("INSERT INTO hint VALUES ('here')")

    for is_new in (True, False):
        proxy.before = once(_COMMIT) if is_cut else _never
        proxy.after = _never if is_cut else once(_COMMIT)
        assert far.submit(RUN, NEW, beside=add) is is_new
    with store._postgres.reading():
        assert store._postgres.do("SELECT run FROM hint").fetchall() == [("here",)]


def test_a_commit_that_was_cut_off_is_written_by_the_next_try(
    far: PostgresStore, store: PostgresStore, proxy: Proxy
) -> None:
    """The server rolls back what it was not told to commit."""
    fence = _take(far)
    proxy.before = once(_COMMIT)
    far.commit(RUN, fence, turn_of(OWNER, fence, 1))
    assert store.load(RUN).info.turn == 1
    proxy.before = once(b"INSERT INTO sv_entry")
    with pytest.raises(StoreUnavailable):
        far.commit(RUN, fence, turn_of(OWNER, fence, 2))
    assert store.info(RUN).turn == 1
    far.commit(RUN, fence, turn_of(OWNER, fence, 2))
    assert store.info(RUN).turn == 2


def test_a_lost_answer_is_no_excuse_for_a_lost_lease(
    far: PostgresStore, store: PostgresStore, proxy: Proxy
) -> None:
    """Who has lost the run meanwhile is refused."""
    fence = _take(far)
    proxy.before = once(_COMMIT)
    proxy.after = _take_over_first(store)
    with pytest.raises(LeaseLost):
        far.commit(RUN, fence, turn_of(OWNER, fence, 1))
    assert store.info(RUN).turn == 0


def _take_over_first(store: PostgresStore) -> Callable[[bytes], bool]:
    """Return what has another owner take the run before the next connection begins."""
    is_first = once(b"\0\0\0")

    def look(data: bytes) -> bool:
        if _begins_connection(data) and is_first(data):
            with store._postgres.writing():
                store._postgres.do("UPDATE sv_run SET lease_until = 0")
            store.acquire(RUN, "another", 30)
        return False

    return look


def test_tries_another_connection_where_the_server_is_silent(
    far: PostgresStore, proxy: Proxy
) -> None:
    """A connection on which nothing comes is given up, in less than a lease."""
    fence = _take(far)
    far._postgres.patience = 0.3
    proxy.is_silent, proxy.before = True, _begins_connection
    with pytest.raises(StoreUnavailable):
        far.commit(RUN, fence, turn_of(OWNER, fence, 1))
    proxy.is_silent, proxy.before = False, _never
    far.commit(RUN, fence, turn_of(OWNER, fence, 1))


@pytest.mark.parametrize("what", [b"BEGIN", b"INSERT INTO sv_entry", b"UPDATE sv_run"])
def test_says_that_a_server_is_silent(far: PostgresStore, proxy: Proxy, what: bytes) -> None:
    """Whichever statement it does not answer, the error says so."""
    fence = _take(far)
    far.close()
    far._postgres.patience = 0.3
    proxy.before = _silences(proxy, what)
    with pytest.raises(StoreUnavailable, match="it has not answered for"):
        far.commit(RUN, fence, turn_of(OWNER, fence, 1))


def _silences(proxy: Proxy, what: bytes) -> Callable[[bytes], bool]:
    """Return what has nothing forwarded any more from this on."""

    def look(data: bytes) -> bool:
        proxy.is_silent = proxy.is_silent or what in data
        return False

    return look


def test_a_row_that_somebody_locks_delays_a_commit_only(
    store: PostgresStore, schema_url: str
) -> None:
    """The commit fails in time, and is written when the lock is gone."""
    fence = _take(store)
    store._postgres.patience = 0.3
    with psycopg.connect(schema_url) as other:
        other.execute("SELECT 1 FROM sv_run FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            store.commit(RUN, fence, turn_of(OWNER, fence, 1))
    store.commit(RUN, fence, turn_of(OWNER, fence, 1))
    assert store.info(RUN).turn == 1


def test_an_owner_that_stands_still_within_a_transaction_is_ended(
    store: PostgresStore,
) -> None:
    """The server rolls back, and somebody else gets the run."""
    fence = _take(store)
    with store._postgres.writing():
        store._postgres.do("UPDATE sv_run SET lease_until = 0")
    other = store.clone()
    store._postgres.patience = 0.3

    def stand_still() -> None:
        with store._postgres.writing():
            run_table.find(store._postgres, RUN, is_locked=True)
            assert other.acquire(RUN, "another", 30).fence == fence + 1
            store._postgres.do("UPDATE sv_run SET owner = 'mine'")

    with pytest.raises(StoreUnavailable):
        stand_still()
    with pytest.raises(LeaseLost):
        store.commit(RUN, fence, turn_of(OWNER, fence, 1))
    other.close()


def test_a_server_that_was_restarted_has_lost_nothing(
    store: PostgresStore, postgres_server: PostgresServer
) -> None:
    """While it is down that is said at once; what it has confirmed is there afterwards."""
    fence = _take(store)
    store.commit(RUN, fence, turn_of(OWNER, fence, 1))
    postgres_server.crash()
    try:
        with pytest.raises(StoreUnavailable, match="refused"):
            store.commit(RUN, fence, turn_of(OWNER, fence, 2))
    finally:
        postgres_server.start()
    store.commit(RUN, fence, turn_of(OWNER, fence, 2))
    assert len(store.load(RUN).logs[LOG]) == 2


# --- owners ---------------------------------------------------------------------------------------


def test_a_lease_ends_by_the_clock_of_the_server(store: PostgresStore) -> None:
    """Until then a run is held; the next owner has a larger fence."""
    fence = _take(store)
    with pytest.raises(RunHeld) as held:
        store.acquire(RUN, "another", 30)
    with store._postgres.reading():
        (now,) = store._postgres.do("SELECT sv_now()").fetchone()
    assert held.value.until is not None
    assert 0 < held.value.until - now <= 30
    with store._postgres.writing():
        store._postgres.do("UPDATE sv_run SET lease_until = sv_now() - 0.001")
    got = store.acquire(RUN, "another", 30)
    assert (got.fence, got.info.status) == (fence + 1, RunStatus.RUNNING)
    assert store.renew(OWNER, {RUN: fence}, 30).lost == {RUN}


_AN_HOUR_AHEAD = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(id, now);
    if (id == CLOCK_REALTIME) now->tv_sec += 3600;
    return status;
}
"""
_LOOKS = """
import sys, time
from supervisor._checkpoints.urls import open_store
from supervisor.errors import RunHeld
store = open_store(sys.argv[1])
try:
    store.acquire("run", "ahead", 30)
except RunHeld:
    print("held", time.time())
print(store.acquire("free", "ahead", 30).fence, store.wanting())
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"),
    reason="the clock of one process is shifted by a library that is preloaded: Linux, and cc",
)
def test_the_clock_of_an_owner_does_not_count(
    store: PostgresStore, tmp_path: Path, schema_url: str
) -> None:
    """One whose clock is an hour ahead takes no run early, and keeps none longer."""
    (tmp_path / "ahead.c").write_text(_AN_HOUR_AHEAD)
    library = str(tmp_path / "ahead.so")
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", library, tmp_path / "ahead.c", "-ldl"], check=True
    )
    _take(store)
    store.submit("free", NEW)
    looked = subprocess.run(
        [sys.executable, "-c", _LOOKS, schema_url],
        env={**os.environ, "LD_PRELOAD": library},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    assert looked[0] == "held"
    assert float(looked[1]) > time.time() + 3000
    assert looked[2:] == ["1", "[]"]
    (found,) = [info for info in store.list() if info.id == "free"]
    with store._postgres.reading():
        (now,) = store._postgres.do("SELECT sv_now()").fetchone()
    assert found.held_until is not None
    assert found.held_until <= now + 30


# --- what is said ---------------------------------------------------------------------------------

_SECRET = "s3cr3t-of-mine"
_BAD_URLS = [
    f"postgresql://user:{_SECRET}@127.0.0.1:1/runs",
    f"postgresql://user:{_SECRET}@127.0.0.1:port/runs",
    f"postgresql://user:{_SECRET}@[127.0.0.1/runs",
    f"postgresql://user:a/{_SECRET}@127.0.0.1/runs",
    f"postgresql://user:a@{_SECRET}@127.0.0.1/runs",
    f"postgresql://user:%zz{_SECRET}@127.0.0.1/runs",
    f"postgresql://user@127.0.0.1:1/runs?password={_SECRET}",
    f"postgresql://user@127.0.0.1:1/runs?password={_SECRET}&no_such_option=1",
    f"postgresql+psycopg://user:{_SECRET}@127.0.0.1/runs",
    f"mysql://u:{_SECRET}@h/d",
]


def test_two_that_forget_at_once_leave_the_larger_fence(
    store: PostgresStore, schema_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is begun anew has a larger fence than each owner of the forgotten one."""
    for run, owners in (("few", 1), ("many", 4)):
        store.submit(run, NEW)
        for _ in range(owners):
            fence = store.acquire(run, OWNER, 15).fence
            assert fence is not None
            store.commit(run, fence, Commit(expects=0, turn=0, end=End(status=RunStatus.STOPPED)))
    noted = tables.put_meta

    def note(database: Database, key: str, value: str) -> None:
        if threading.current_thread() is other:
            other_is_noting.set()
            forgotten.wait(0.5)  # it is, unless it has to wait for us
        noted(database, key, value)

    monkeypatch.setattr(tables, "put_meta", note)
    other_is_noting, forgotten = threading.Event(), threading.Event()
    second = postgres_store(schema_url)
    other = threading.Thread(target=second.forget, args=("few",))
    other.start()
    assert other_is_noting.wait(20)
    store.forget("many")
    forgotten.set()
    other.join(20)
    second.close()
    store.submit("many", NEW)
    assert store.acquire("many", OWNER, 15).fence == 5


@pytest.mark.parametrize("url", _BAD_URLS, ids=range(len(_BAD_URLS)))
def test_no_error_shows_a_password(url: str) -> None:
    """Neither the message nor a traceback has anything of it."""
    with pytest.raises((SettingsError, StoreUnavailable)) as error:
        open_store(url).setup()
    assert _SECRET not in "".join(traceback.format_exception(error.value))
    assert "\n" not in str(error.value)


def test_a_wrong_password_is_one_line(postgres_server: PostgresServer) -> None:
    """It names the user, and not what was tried."""
    store = open_store(postgres_server.url.replace("@", "X@"))
    with pytest.raises(
        StoreUnavailable, match='password authentication failed for user "sup'
    ) as it:
        store.setup()
    password = postgres_server.url.partition("@")[0].rpartition(":")[2]
    assert password not in "".join(traceback.format_exception(it.value))


def test_names_what_is_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg one line says how to get it."""
    for name in [name for name in sys.modules if name.startswith("supervisor._checkpoints.postg")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"install autogen-supervisor\[postgres\]") as error:
        open_store("postgresql://user:secret@host/runs")
    assert "secret" not in str(error.value)
