"""Two connections that want one run in PostgreSQL: the second one sees what the first has done."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from supervisor._checkpoints import run_table
from supervisor._checkpoints.postgres import PostgresStore, postgres_store
from supervisor._checkpoints.store import RunStatus
from supervisor.errors import RunHeld
from tests.checkpoints.racers import NEW

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

FIRST, SECOND, RUN = "first", "second", "run"
_BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"


@pytest.fixture
def store(schema_url: str) -> Iterator[PostgresStore]:
    """Return a store with one run that nobody has."""
    opened = postgres_store(schema_url)
    opened.setup()
    opened.submit(RUN, NEW)
    yield opened
    opened.close()


@contextmanager
def _being_taken(store: PostgresStore) -> Generator[None]:
    """Have a run taken by the first one, whose transaction ends with the block."""
    first = store.clone()
    with first._postgres.writing():
        row = run_table.find(first._postgres, RUN, is_locked=True)
        run_table.take(first._postgres, row, FIRST, 30)
        yield
    first.close()


def _wait_until_blocked(url: str, result: Future[object]) -> None:
    with psycopg.connect(url, autocommit=True) as looking:
        while not result.done() and looking.execute(_BLOCKED).fetchone() == (0,):
            time.sleep(0.01)


def _beside(store: PostgresStore, url: str, do: Callable[[PostgresStore], object]) -> object:
    """Return what comes of something that is done while somebody else takes the run."""
    with ThreadPoolExecutor(1) as thread:
        with _being_taken(store):
            result = thread.submit(do, store)
            _wait_until_blocked(url, result)
            assert not result.done()
        return result.result(20)


def _acquire(store: PostgresStore) -> None:
    store.acquire(RUN, SECOND, 30)


def _requeue(store: PostgresStore) -> None:
    store.requeue(RUN)


def _forget(store: PostgresStore) -> None:
    store.forget(RUN)


@pytest.mark.parametrize("do", [_acquire, _requeue, _forget])
def test_a_run_that_is_being_taken_is_held(
    store: PostgresStore, schema_url: str, do: Callable[[PostgresStore], object]
) -> None:
    """Who comes second waits for the first one, and then leaves the run to it."""
    with pytest.raises(RunHeld, match=FIRST):
        _beside(store, schema_url, do)
    assert (store.info(RUN).owner, store.info(RUN).attempts) == (FIRST, 1)


def test_a_run_that_is_being_taken_is_cancelled_by_its_owner(
    store: PostgresStore, schema_url: str
) -> None:
    """A run is not cancelled behind the back of one who takes it at the same time."""
    told = _beside(store, schema_url, lambda store: store.request_cancel(RUN))
    info = store.info(RUN)
    assert (told, info.owner, info.is_cancel_requested) == (RunStatus.RUNNING, FIRST, True)
