"""Hints that a run wants an owner: jobs of pgqueuer, in the database that has the runs.

A hint says nothing but a run's id. Who owns a run is told by the lease in the store, so a hint that
is lost, or is there twice, does no harm. All of pgqueuer is in this module, in tables of its own.

What pgqueuer does, and what follows:

- Its retry is an UPDATE, which wakes no worker. So what is to be tried again is a new hint.
- A job whose task is cancelled from outside is deleted. So no cancellation leaves the handler.
- It sets its own event where notifications are heard no more. So a stop of ours is another event.
- It probes that before it listens, and a probe that nobody heard counts as a failure 10 s later. So
  `_Manager` has it wait.
- It takes at least two jobs at once. So `_Manager` stops taking some where all places are taken: a
  hint that waits in a busy worker could be with an idle one.
- Its psycopg driver holds a connection for up to a second. So it is given asyncpg's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import anyio
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.adapters.drivers.psycopg import SyncPsycopgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder
from pgqueuer.adapters.persistence.queries import Queries, SyncQueries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import HealthCheckEvent, Job
from pgqueuer.domain.settings import DBSettings
from pgqueuer.ports.driver import Driver

if TYPE_CHECKING:
    from psycopg import Connection

_asyncpg: Any = import_module("asyncpg")  # it has no types

_SETTINGS: Final = DBSettings(prefix="sv_")
"""Its tables are ours alone: a program may have others, of another version."""

_NAME: Final = "carry_on"
_LISTED: Final = 1_000_000  # hints at once: all of them
_CLOSING: Final = 5.0  # seconds, for connections that are at work

UNAVAILABLE: Final[tuple[type[Exception], ...]] = (
    OSError,
    _asyncpg.PostgresError,
    _asyncpg.InterfaceError,
)
"""What is raised where the database does not answer, or refuses."""


class Hints:
    """The hints of one database.

    Args:
        pool: Connections to it.
    """

    def __init__(self, pool: Any) -> None:
        self._queries = _queries(AsyncpgPoolDriver(pool))

    async def put(self, run_id: str, *, after: float = 0.0) -> None:
        """Have a worker take up a run, after some seconds."""
        await self.put_all([run_id], after=after)

    async def put_all(self, run_ids: Iterable[str], *, after: float = 0.0) -> None:
        """Have workers take up runs, after some seconds."""
        payloads: list[bytes | None] = [_payload(run_id) for run_id in run_ids]
        if payloads:
            delays: list[timedelta | None] = [timedelta(seconds=after)] * len(payloads)
            names, priorities = [_NAME] * len(payloads), [0] * len(payloads)
            await self._queries.enqueue(names, payloads, priorities, delays)

    async def waiting(self) -> set[str]:
        """Return the ids of the runs for which there is a hint, taken or not."""
        jobs = await self._queries.browse_queue(_LISTED, 0, ["queued", "picked"], [_NAME])
        return {_run_id(job) for job in jobs}

    async def work(
        self,
        handle: Callable[[str], Awaitable[None]],
        *,
        concurrency: int,
        heartbeat: float,
        stopping: asyncio.Event,
        on_ready: Callable[[], None],
    ) -> None:
        """Take hints until a stop, and wait for what has been taken.

        Args:
            handle: Does what a hint asks for; given the id of a run.
            concurrency: How many at once.
            heartbeat: The seconds after which another worker takes a hint whose worker is silent.
            stopping: Set once no more hints are to be taken.
            on_ready: Called once hints are heard of.

        Raises:
            UNAVAILABLE: The database does not answer.
            FailingListenerError: It tells of no new hints any more.
        """

        async def on_job(job: Job) -> None:
            try:
                await handle(_run_id(job))
            except asyncio.CancelledError:
                raise RetryRequested(timedelta(0), "its worker was ended") from None

        anyio.CancelScope()  # the first one imports what the first job would wait for
        manager = _Manager(self._queries, _SETTINGS.channel)
        manager.places, manager.on_ready, manager.hears = concurrency, on_ready, asyncio.Event()
        manager.entrypoint(_NAME, accepts_context=False)(on_job)
        stop = asyncio.create_task(_shut_down(manager, stopping))
        try:
            await manager.run(
                dequeue_timeout=timedelta(seconds=heartbeat / 4),  # stale hints tell nobody
                batch_size=1,
                max_concurrent_tasks=max(2, concurrency),
                shutdown_on_listener_failure=True,
                heartbeat_timeout=timedelta(seconds=heartbeat),
            )
        finally:
            stop.cancel()


class _Manager(QueueManager):
    """Takes no job that would wait for another one of this worker."""

    places: int
    on_ready: Callable[[], None]
    hears: asyncio.Event

    async def listener_healthy(self, *args: Any, **settings: Any) -> HealthCheckEvent:
        """See that notifications are heard; from the moment on at which they can be."""
        await self.hears.wait()
        return await super().listener_healthy(*args, **settings)

    async def fetch_jobs(self, *args: Any, **settings: Any) -> AsyncGenerator[Job, None]:
        """Yield jobs, as long as there is a place. It is called once notifications are heard."""
        if not self.hears.is_set():
            self.hears.set()
            self.on_ready()
        if len(self.job_context) >= self.places:
            return
        async with aclosing(super().fetch_jobs(*args, **settings)) as jobs:
            async for job in jobs:
                yield job
                if len(self.job_context) >= self.places:
                    return


async def _shut_down(manager: _Manager, stopping: asyncio.Event) -> None:
    await stopping.wait()
    manager.shutdown.set()


@asynccontextmanager
async def open_hints(url: str) -> AsyncGenerator[Hints]:
    """Connect to a database, and see that it has the tables.

    Args:
        url: The store's.

    Raises:
        UNAVAILABLE: The database does not answer, or refuses.
    """
    pool = await _asyncpg.create_pool(url, min_size=2, max_size=4)
    try:
        async with pool.acquire() as connection:
            await _install(_queries(AsyncpgDriver(connection)))
        yield Hints(pool)
        await asyncio.wait_for(pool.close(), _CLOSING)
    finally:
        pool.terminate()


def put_beside(connection: Connection[Any], run_id: str) -> None:
    """Have a worker take up a run, in the transaction of a connection.

    Before the first worker has made the tables there is no hint: its sweep finds the run.
    """
    found = connection.execute("SELECT to_regclass(%s)", (_SETTINGS.queue_table,)).fetchone()
    if found is not None and found[0] is not None:
        queries = SyncQueries(SyncPsycopgDriver(connection), QueryQueueBuilder(_SETTINGS))
        queries.enqueue(_NAME, _payload(run_id))


def _queries(driver: Driver) -> Queries:
    return Queries(driver, QueryBuilderEnvironment(_SETTINGS), QueryQueueBuilder(_SETTINGS))


async def _install(queries: Queries) -> None:
    async with queries.schema_lock():
        if not await queries.schema_is_installed():
            await queries.install()
        elif (await queries.plan_upgrade()).statements:
            await queries.upgrade()


def _payload(run_id: str) -> bytes:
    # Of a command line's bytes that are no UTF-8 Python makes halves of surrogate pairs.
    return run_id.encode("utf-8", "surrogatepass")


def _run_id(job: Job) -> str:
    return (job.payload or b"").decode("utf-8", "surrogatepass")
