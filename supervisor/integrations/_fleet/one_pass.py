"""Carries on what is there, without a queue: for a store in one file."""

from __future__ import annotations

import asyncio

from supervisor._supervisor.facade import Supervisor
from supervisor.integrations._fleet.carry_on import MakeTeam, carry_on
from supervisor.integrations._fleet.plan import Plan, Report
from supervisor.integrations._fleet.worker_store import store_of


async def carry_all_on(sup: Supervisor, make_team: MakeTeam, plan: Plan, report: Report) -> None:
    """Carry each run on that is queued or whose owner has died, once.

    Args:
        sup: The supervisor, whose block is open.
        make_team: Makes a team for each run.
        plan: How.
        report: Is told of it.

    Raises:
        StoreUnavailable: The store does not answer.
    """
    store = store_of(sup, "a worker")
    seen = set[str]()
    at_work = set[asyncio.Task[None]]()

    async def carry(run_id: str) -> None:
        outcome = await carry_on(sup, make_team, run_id, attempts=plan.attempts)
        report.ended(run_id, outcome, None)

    async def take_up() -> None:
        wanting = await store.call(lambda found: found.wanting())
        new = [run_id for run_id in wanting if run_id not in seen]
        for run_id in new[: plan.concurrency - len(at_work)]:
            seen.add(run_id)
            at_work.add(asyncio.create_task(carry(run_id)))

    report.at_work()
    while True:
        if sup.stop_request is None:
            await take_up()
        if not at_work:
            return
        done, _ = await asyncio.wait(at_work, return_when=asyncio.FIRST_COMPLETED)
        at_work -= done
        for task in done:
            task.result()
