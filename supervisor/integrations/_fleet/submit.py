"""Puts runs into a store for workers to take up."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable, Task
    from supervisor._checkpoints.store import CheckpointStore


def submit(store: str, team: Runnable, task: Task, run_id: str) -> bool:
    """Put a run into the queue of a store, for a worker to take up.

    It waits for a disk or a network: in a coroutine call it by `asyncio.to_thread`. Then have your
    queue tell a worker the run's id. If that is lost, a worker's sweep finds the run.

    Args:
        store: The store's URL.
        team: A team of the shape that the workers make; it is not run.
        task: What the run is given.
        run_id: The run's id.

    Returns:
        False where there is a run of that id already; it is left as it is.

    Raises:
        SettingsError: The URL names no store.
        StoreUnavailable: The store does not answer.
    """
    from supervisor._checkpoints.urls import open_store

    with closing(open_store(store)) as opened:
        opened.setup()
        return put(opened, team, task, run_id)


def put(store: CheckpointStore, team: Runnable, task: Task, run_id: str, **settings: Any) -> bool:
    """Put a run into an opened store; return False where there is one of that id.

    Args:
        store: The store.
        team: A team of that shape.
        task: What the run is given.
        run_id: The run's id.
        settings: What else `submit` of that store takes.
    """
    from supervisor._autogen.checkpoints.comparison import new_run

    name = str(getattr(team, "name", type(team).__name__))
    return store.submit(run_id, new_run(team, name, task), **settings)
