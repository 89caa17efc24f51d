# pyright: basic
"""A Celery worker that is stopped loses no conversation: the next one goes on with it.

.venv/bin/celery -A examples.workers.celery_worker worker      (start Redis, or set BROKER_URL)
.venv/bin/python -m examples.workers.celery_worker my-conversation   (gives it work)

A warm shutdown (SIGTERM, or Ctrl-C once) waits for tasks and tells them nothing, so `tell_runs`
does: the run stops in order, and what is left of it becomes a task for another worker. A cold one
(SIGQUIT, or Ctrl-C twice) and `revoke(terminate=True)` send SIGTERM to the pool's process: the run
is cancelled, and its task is put back, where Celery drops it if it was revoked.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from billiard.process import current_process
from celery import Celery
from celery.exceptions import Reject, SoftTimeLimitExceeded
from celery.signals import worker_process_init, worker_shutting_down
from celery.worker import state as worker_state

from examples.teams import counters, summary
from supervisor import Rung, StopRequest, Supervisor

BROKER = os.environ.get("BROKER_URL", "redis://127.0.0.1:6379/0")
FOLDER = Path(os.environ.get("CONVERSATIONS", tempfile.gettempdir()))

app = Celery("examples.workers", broker=BROKER, backend=BROKER)
app.conf.update(
    task_acks_late=True,  # a task is done when it has returned, and not when it begins
    task_reject_on_worker_lost=True,  # a run that refuses to stop has its process ended
    worker_prefetch_multiplier=1,  # no task waits behind a run while another worker is idle
)

supervisors: set[Supervisor] = set()  # those at work in this process
signals: dict[signal.Signals | int | str, Rung | str] = {}  # the main process's are Celery's


@worker_process_init.connect
def take_signals(**_: Any) -> None:
    """In a process of the pool `prefork` the signals are for its task."""
    if current_process().name == "MainProcess":  # the pool `solo`
        return
    signals["SIGUSR2"] = Rung.DRAIN  # from `tell_runs`
    signals["SIGTERM"] = Rung.CANCEL  # a cold shutdown, or the task was revoked
    signals["SIGUSR1"] = Rung.CANCEL  # its soft time limit
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # one that comes late must not end the process


@worker_shutting_down.connect
def tell_runs(how: str, **_: Any) -> None:
    """Stop the runs as a warm shutdown begins, in this process and in those of the pool."""
    if how != "Warm":
        return
    for sup in list(supervisors):  # the pools `threads` and `solo`
        sup.stop("The worker shuts down", Rung.DRAIN)
    for pid in {request.worker_pid for request in list(worker_state.active_requests)}:
        if pid != os.getpid():
            os.kill(pid, signal.SIGUSR2)


@app.task(name="examples.workers.count")
def count(name: str) -> dict[str, Any]:
    """Go on with a conversation, until it ends or the worker is stopped."""
    said, stop = asyncio.run(converse(name))
    if stop is None:
        return {"said": said}
    if stop.signal == signal.SIGUSR1:
        raise SoftTimeLimitExceeded
    if stop.signal == signal.SIGTERM:
        raise Reject(stop.reason, requeue=True)
    # Celery 5.6 may hang in a warm shutdown while a task raises, so this one returns.
    return {"goes_on_as": count.delay(name).id}


async def converse(name: str) -> tuple[str, StopRequest | None]:
    """Run the team from where it was; returns its last words, and what has stopped it."""
    team, said = counters(pause=0.1), ""
    if saved := load(name):
        await team.load_state(saved)
    async with Supervisor(signals=signals) as sup:
        supervisors.add(sup)
        try:
            run = sup.stream(team, None if saved else "Count from 1 to 20")
            said = summary(await run)
            if saved or run.has_taken_task:
                save(name, await team.save_state())
        finally:
            supervisors.discard(sup)
    if sup.stop_request is None:
        save(name, None)
    return said, sup.stop_request


def load(name: str) -> dict[str, Any] | None:
    """Return the saved state of a conversation; your database does this better."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def save(name: str, state: Any) -> None:
    """Save it; None means that it is over."""
    path = FOLDER / f"{name}.json"
    if state is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(json.dumps(state))


def follow(name: str) -> None:
    """Have workers take a conversation to its end, as a client."""
    result = count.delay(name).get()
    while "goes_on_as" in result:
        print("The worker was stopped. Another one goes on.", flush=True)
        result = app.AsyncResult(result["goes_on_as"]).get()
    print(result["said"], flush=True)


if __name__ == "__main__":
    follow(sys.argv[1])
