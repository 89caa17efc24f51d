"""A Temporal worker that carries kept runs on: only a run's id travels, the store has the rest.

.venv/bin/python -m examples.fleet.temporal_worker         (on any number of machines)
.venv/bin/python -m examples.fleet.temporal_worker my-run  (has one of them work on a run; it waits)

Start `.venv/bin/temporal server start-dev` first, or set TEMPORAL. A worker that is stopped
finishes the present turn, and Temporal gives the rest to another one: an activity that fails is
tried again. One that dies is noticed by its heartbeat.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from typing import Final

from autogen_agentchat.teams import RoundRobinGroupChat
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from examples.teams import counters
from supervisor import Ladder, Supervisor, run
from supervisor.integrations.fleet import Done, Failed, HandedOver, Held, carry_on, submit

TEMPORAL: Final = os.environ.get("TEMPORAL", "127.0.0.1:7233")
STORE: Final = os.environ.get("STORE", "sqlite:///runs.db")
MESSAGES: Final = int(os.environ.get("MESSAGES", "10"))
QUEUE: Final = "runs"
LADDER: Final = Ladder()
GRACE: Final = timedelta(seconds=LADDER.drain + LADDER.cancel + LADDER.abandon)
BEAT: Final = timedelta(seconds=1)


def make_team() -> RoundRobinGroupChat:
    """Make the team of each run."""
    return counters(pause=0.1, messages=MESSAGES)


class Activities:
    """What a worker does for a workflow."""

    def __init__(self, sup: Supervisor) -> None:
        self._sup = sup

    @activity.defn
    async def carry(self, run_id: str) -> str:
        """Carry a run on, and tell Temporal what became of it."""
        beats = asyncio.create_task(_beat())  # without them only a time limit notices a death
        try:
            outcome = await carry_on(self._sup, make_team, run_id)
        finally:
            beats.cancel()
        match outcome:
            case Done(status):
                return str(status)
            case Failed(error, is_at_rest=is_at_rest):
                raise ApplicationError(str(error), non_retryable=is_at_rest)
            case Held(seconds):
                raise _again(seconds, "somebody else has it")
            case HandedOver():
                raise _again(0.001, "the worker stops")


def _again(seconds: float, why: str) -> ApplicationError:
    return ApplicationError(why, next_retry_delay=timedelta(seconds=seconds))


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(BEAT.total_seconds())


@workflow.defn
class CarryOn:
    """Sees that a run comes to its end."""

    @workflow.run
    async def run(self, run_id: str) -> str:
        """Have workers carry the run on until it wants none any more; returns its status."""
        return await workflow.execute_activity_method(
            Activities.carry,
            run_id,
            start_to_close_timeout=timedelta(days=30),
            heartbeat_timeout=3 * BEAT,
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=5)),
        )


async def work(sup: Supervisor) -> None:
    """Work until a stop."""
    worker = Worker(
        await Client.connect(TEMPORAL),
        task_queue=QUEUE,
        workflows=[CarryOn],
        activities=[Activities(sup).carry],
        workflow_runner=UnsandboxedWorkflowRunner(),
        # By default it is 0: every activity is cancelled as the worker begins to stop.
        graceful_shutdown_timeout=GRACE,
    )
    async with worker:
        await sup.wait_stop()


async def follow(run_id: str) -> None:
    """Put a run into the store, and have workers take it to its end."""
    submit(STORE, make_team(), "Count from 1 to 20", run_id)
    client = await Client.connect(TEMPORAL)
    status = await client.execute_workflow(CarryOn.run, run_id, id=run_id, task_queue=QUEUE)
    print(status, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(follow(sys.argv[1]))
    else:
        run(work, ladder=LADDER, checkpoints=STORE)
