"""What is kept of a run besides its steps: its task, its team's shape, its result."""

from __future__ import annotations

from typing import Any

from supervisor._autogen.checkpoints.items import InThread, Items, types_of
from supervisor._autogen.checkpoints.paths import named_components
from supervisor._autogen.checkpoints.shape import differences, shape_of
from supervisor._autogen.checkpoints.tasks import dump_task, parse_task, task_difference
from supervisor._autogen.messages import TaskResult
from supervisor._checkpoints.pieces import decode, encode
from supervisor._checkpoints.snapshot import Kept
from supervisor._checkpoints.store import NewRun, StoredRun
from supervisor._core.errors import CheckpointCorrupt, RunMismatch


def new_run(team: object, name: str, task: Any) -> NewRun:
    """Return a run that does not exist yet.

    Args:
        team: The team, or the agent.
        name: Its name.
        task: What it is given.
    """
    return NewRun(team=name, shape=encode(shape_of(team)), task=encode(dump_task(task)))


def refuse_session(stored: StoredRun) -> None:
    """Raise where what is stored is a conversation, which has no steps to go on from.

    Raises:
        RunMismatch: It is.
    """
    if isinstance(decode(stored.shape), list):
        raise RunMismatch(stored.info.id, "kind", "it is a session, which `chat` goes on with")


def refuse_changed(stored: StoredRun, team: object, given: NewRun | None) -> None:
    """Raise where a run is one of another team, or of another task.

    Args:
        stored: The run.
        team: The team, or the agent, that is to go on with it.
        given: The run as the caller would begin it; None where no task is given.

    Raises:
        RunMismatch: It is.
    """
    run_id = stored.info.id
    changed = differences(decode(stored.shape), shape_of(team))
    if changed:
        raise RunMismatch(run_id, "team", changed)
    if given is None:
        return
    changed = task_difference(decode(stored.task), decode(given.task))
    if changed:
        raise RunMismatch(run_id, "task", changed)


def changed_shape(stored: StoredRun, team: object) -> Any:
    """Return the shape that was kept of a team; None where it is the same now."""
    was = decode(stored.shape)
    return was if differences(was, shape_of(team)) else None


def stored_task(stored: StoredRun, team: object) -> Any:
    """Return the task with which a run was begun.

    Raises:
        UnknownMessage: The team does not know the type of a message.
        CheckpointCorrupt: It is no task.
    """
    types = types_of(named_components(team).values())
    return parse_task(decode(stored.task), types, stored.info.id)


async def result_of(
    kept: Kept | None, team: object, run_id: str, in_thread: InThread
) -> TaskResult:
    """Return the result of a run that has come to its own end.

    Raises:
        UnknownMessage: The team does not know the type of a message.
        CheckpointCorrupt: There is no such end.
    """
    kept = completed(kept, run_id)
    output = kept.logs.get("output", ())
    items = Items(types_of(named_components(team).values()), run_id, {"output": output})
    await items.parse_ahead(in_thread)
    messages = [items.parse(data) for data in output]
    return TaskResult(messages=messages, stop_reason=kept.rest["end"].get("stop_reason"))


def completed(kept: Kept | None, run_id: str) -> Kept:
    """Return what was read of a run that has come to its own end.

    Raises:
        CheckpointCorrupt: There is no such end.
    """
    if kept is None or kept.rest.get("end").__class__ is not dict:
        raise CheckpointCorrupt(run_id, "it is completed, and has no end")
    return kept
