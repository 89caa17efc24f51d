"""Carries one kept run on, whichever queue has told of it."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from supervisor._autogen.original_error import line_of
from supervisor._checkpoints.store import End, RunInfo, RunStatus
from supervisor._core.errors import (
    CheckpointCorrupt,
    CheckpointError,
    CheckpointTooNew,
    LeaseLost,
    Quarantined,
    RunCancelled,
    RunHeld,
    RunMismatch,
    RunNotFound,
    Stopped,
)
from supervisor._supervisor.facade import Supervisor
from supervisor.integrations._fleet.outcomes import Done, Failed, HandedOver, Held, Outcome
from supervisor.integrations._fleet.worker_store import WorkerStore, store_of, stream

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable

MakeTeam = Callable[[], "Runnable | Awaitable[Runnable]"]

_WANTING: Final = (RunStatus.QUEUED, RunStatus.RUNNING)
_FOR_A_PERSON: Final = (RunMismatch, CheckpointCorrupt)
"""Errors that each attempt would meet again."""

_MARGIN_SECONDS: Final = 0.05


async def carry_on(
    sup: Supervisor, make_team: MakeTeam, run_id: str, *, attempts: int = 5
) -> Outcome:
    """Carry a run on that is queued, or whose owner has died, until it ends or this process stops.

    This is the body of a job, in whichever queue. A job is a hint that a run wants an owner: who
    has it is told by the store. So a job that is lost, late, or there twice does no harm.

    A run that is at rest (stopped, failed, cancelled) is left alone. One that meets an error is
    queued again, until it has met `attempts` errors with no turn finished between them. Then it
    comes to rest as FAILED. So does one at once whose team has changed, or that is damaged.

    Args:
        sup: A supervisor with `checkpoints`, whose block is open.
        make_team: Makes the team or the agent; a coroutine function may do so, too. It is called
            only if the run wants an owner.
        run_id: The run, which is in the store: see `submit`.
        attempts: How many errors the run may meet.

    Returns:
        What became of it, and so what the queue is to do.

    Raises:
        StoreUnavailable: The store does not answer. What is kept of the run is as it was.
        UsageError: The supervisor has no `checkpoints`, or its block is not open.
    """
    store = store_of(sup, "carry_on()")
    try:
        await store.note_fleet()
        before = await store.info(run_id)
        if before.status not in _WANTING:
            return Done(before.status)
        return await _carry_on(sup, store, make_team, before, attempts)
    except (RunNotFound, RunCancelled) as over:
        return Done(RunStatus.CANCELLED if isinstance(over, RunCancelled) else None)
    except RunHeld as held:
        return Held(_seconds_until(held.until, store.lease))
    except (LeaseLost, Quarantined):  # once its lease is over, somebody else may have it
        return Held(store.lease)
    except CheckpointCorrupt as error:  # its row itself: nothing can be noted there
        outcome: Outcome = Failed(error, 0, is_at_rest=True)
    except Stopped:
        outcome = HandedOver()
    return outcome


async def _carry_on(
    sup: Supervisor, store: WorkerStore, make_team: MakeTeam, before: RunInfo, attempts: int
) -> Outcome:
    if before.owner is not None:
        raise RunHeld(before.id, before.owner, before.held_until)
    has_died = before.status is RunStatus.RUNNING
    if before.failures + has_died >= attempts:  # it may end each process that takes it
        error = before.error or "its owner died"
        await store.end(before.id, End(status=RunStatus.FAILED, error=error))
        return await _failure(store, before.id, RuntimeError(error))
    try:
        team = await _made(make_team)
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises
        again = End(status=RunStatus.QUEUED, error=line_of(error), attempts=attempts)
        await store.end(before.id, again)
        return await _failure(store, before.id, error)
    try:
        await stream(sup, team, before.id, attempts)
    except _FOR_A_PERSON as error:  # they come as it is read, and leave it as it was
        await store.end(before.id, End(status=RunStatus.FAILED, error=line_of(error)))
        return await _failure(store, before.id, error)
    except CheckpointTooNew:  # a worker of that version goes on with it
        return Held(store.lease)
    except (CheckpointError, Quarantined):
        raise
    except Exception as error:  # noqa: BLE001 - whatever the team raises
        return await _failure(store, before.id, error)
    status = (await store.info(before.id)).status
    return HandedOver() if status in _WANTING else Done(status)


async def _made(make_team: MakeTeam) -> Runnable:
    team = make_team()
    return await team if inspect.isawaitable(team) else team


async def _failure(store: WorkerStore, run_id: str, error: Exception) -> Outcome:
    """Return what has become of a run whose error was written."""
    info = await store.info(run_id)
    if info.status in (RunStatus.CANCELLED, RunStatus.COMPLETED):
        return Done(info.status)
    return Failed(error, info.failures, is_at_rest=info.status not in _WANTING)


def _seconds_until(end: float | None, lease: float) -> float:
    """Return when a run could be free, by the store's clock, of which ours may differ."""
    if end is None:  # the kernel tells of its owner's end
        return lease
    return min(max(end - time.time(), 0.0) + _MARGIN_SECONDS, lease)
