# pyright: basic
"""A Celery worker that carries kept runs on: only a run's id travels, the store has the rest.

.venv/bin/celery -A examples.fleet.celery_worker worker -B   (start Redis first, or set BROKER_URL)
.venv/bin/python -m examples.fleet.celery_worker my-run      (has one of them work on a run)

What a worker does with signals is in `examples/workers/celery_worker.py`, whose app this is. A run
that is handed over is a new task, and `sweep` finds what was left by a worker that has died.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from examples.teams import counters
from examples.workers.celery_worker import app, signals, supervisors
from supervisor import Supervisor, checkpoints
from supervisor.integrations.fleet import (
    Done,
    Failed,
    HandedOver,
    Held,
    Outcome,
    carry_on,
    submit,
)

STORE = os.environ.get("STORE", "sqlite:///runs.db")
MESSAGES = int(os.environ.get("MESSAGES", "10"))
LEASE = float(os.environ.get("LEASE", "15"))

app.conf.beat_schedule = {"sweep": {"task": "examples.fleet.sweep", "schedule": LEASE}}


def make_team() -> Any:
    """Make the team of each run."""
    return counters(pause=0.1, messages=MESSAGES)


@app.task(name="examples.fleet.carry")
def carry(run_id: str) -> str:
    """Carry a run on, and tell Celery what became of it."""
    outcome = asyncio.run(_carry(run_id))
    match outcome:
        case Done(status):
            return str(status)
        case HandedOver():
            carry.delay(run_id)
        case Held(retry_after):
            carry.apply_async([run_id], countdown=retry_after)
        case Failed(failures=failures, is_at_rest=False):
            carry.apply_async([run_id], countdown=min(2**failures, 300))
        case Failed(error):
            raise error
    return type(outcome).__name__


async def _carry(run_id: str) -> Outcome:
    async with Supervisor(signals=signals, checkpoints=STORE, lease=LEASE) as sup:
        supervisors.add(sup)
        try:
            return await carry_on(sup, make_team, run_id)
        finally:
            supervisors.discard(sup)
    return HandedOver()  # stopped before it had begun


@app.task(name="examples.fleet.sweep")
def sweep() -> None:
    """Have workers take up the runs that want an owner: a task for them may be lost."""
    with checkpoints.open(STORE) as runs:
        for run_id in runs.wanting():
            carry.delay(run_id)


if __name__ == "__main__":
    submit(STORE, make_team(), "Count from 1 to 20", sys.argv[1])
    carry.delay(sys.argv[1])
