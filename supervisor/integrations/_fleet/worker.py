"""A worker: takes hints, carries runs on, and sees that none is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Final

from pgqueuer.domain.errors import FailingListenerError

from supervisor._core.errors import StoreUnavailable
from supervisor._supervisor.facade import Supervisor
from supervisor.integrations._fleet.carry_on import MakeTeam, carry_on
from supervisor.integrations._fleet.hints import UNAVAILABLE, Hints, open_hints
from supervisor.integrations._fleet.outcomes import Failed, HandedOver, Held, Outcome
from supervisor.integrations._fleet.plan import Plan, Report
from supervisor.integrations._fleet.worker_store import WorkerStore, store_of

_LOST: Final[tuple[type[Exception], ...]] = (*UNAVAILABLE, FailingListenerError, StoreUnavailable)
_PAUSE_SECONDS: Final = 1.0  # until a database is tried again that did not answer


class Worker:
    """Carries runs on until the supervisor stops.

    Args:
        sup: The supervisor, whose block is open.
        url: The store's.
        make_team: Makes a team for each run.
        plan: How.
        report: Is told of it.
    """

    def __init__(
        self,
        sup: Supervisor,
        url: str,
        make_team: MakeTeam,
        plan: Plan,
        report: Report,
    ) -> None:
        self._sup = sup
        self._url = url
        self._make_team = make_team
        self._plan = plan
        self._report = report
        self._store: WorkerStore = store_of(sup, "a worker")
        self._stopping = asyncio.Event()
        sup.on_stop(lambda _: self._stopping.set())

    async def work(self) -> None:
        """Work until a stop, and until what was taken by then is handed over."""
        while not self._stopping.is_set():
            try:
                await self._store.note_fleet()
                async with open_hints(self._url) as hints:
                    await self._work_on(hints)
            except _LOST as error:
                self._report.unavailable(_problem(error))
                await self._until_stop(_PAUSE_SECONDS)

    async def _work_on(self, hints: Hints) -> None:
        async with _sweeping(self._sweep(hints)):
            await hints.work(
                lambda run_id: self._carry_on(hints, run_id),
                concurrency=self._plan.concurrency,
                heartbeat=self._store.lease,
                stopping=self._stopping,
                on_ready=self._report.at_work,
            )

    async def _carry_on(self, hints: Hints, run_id: str) -> None:
        attempts = self._plan.attempts
        outcome = await carry_on(self._sup, self._make_team, run_id, attempts=attempts)
        if (pause := self._pause(outcome)) is not None:
            await hints.put(run_id, after=pause)
        self._report.ended(run_id, outcome, pause)

    def _pause(self, outcome: Outcome) -> float | None:
        """Return in how many seconds somebody is to look after a run; None: never."""
        match outcome:
            case HandedOver():
                return 0.0
            case Held(retry_after):
                return retry_after
            case Failed(failures=failures, is_at_rest=False):
                return self._plan.pause(failures)
            case _:
                return None  # it wants no owner, or rests

    async def _sweep(self, hints: Hints) -> None:
        """Put hints for runs that want an owner and have none; now, and once in each lease."""
        while True:
            with contextlib.suppress(*_LOST):
                wanting = await self._store.call(lambda store: store.wanting())
                if wanting:
                    there = await hints.waiting()
                    await hints.put_all(run_id for run_id in wanting if run_id not in there)
            await asyncio.sleep(self._store.lease)

    async def _until_stop(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _problem(error: Exception) -> str:
    said = error.problem if isinstance(error, StoreUnavailable) else str(error)
    return said or type(error).__name__


@contextlib.asynccontextmanager
async def _sweeping(sweep: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    task = asyncio.create_task(sweep)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
