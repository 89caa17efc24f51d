"""The state of a run that has ended, put into a team: for a new conversation."""

from __future__ import annotations

import functools

from supervisor._autogen import quarantine
from supervisor._autogen.checkpoints.comparison import completed, refuse_changed
from supervisor._autogen.checkpoints.items import InThread, at_once
from supervisor._autogen.checkpoints.restore import restore
from supervisor._autogen.walk import walk
from supervisor._checkpoints.integrity import check
from supervisor._checkpoints.snapshot import Kept
from supervisor._checkpoints.store import RunStatus, StoredRun
from supervisor._core.errors import UsageError


async def load(team: object, stored: StoredRun, in_thread: InThread = at_once) -> None:
    """Put the state of a run that has ended into a team, which is not at work.

    Args:
        team: A team of the same shape.
        stored: The run.
        in_thread: Where it is checked and parsed; the default is here.

    Raises:
        UsageError: The run has not come to its own end.
        RunMismatch: The team has another shape.
        UnknownMessage: The team does not know the type of a message.
        CheckpointCorrupt: What is stored is damaged.
        Quarantined: Something of the team refused to end.
    """
    quarantine.refuse_given_up(walk(team))
    info = stored.info
    if info.status is not RunStatus.COMPLETED:
        raise UsageError(
            f"the run {info.id!r} is {info.status}, and has no end to begin from; "
            f"go on with it by stream(team, id={info.id!r})"
        )
    refuse_changed(stored, team, None)
    kept: Kept | None = await in_thread(functools.partial(check, stored))
    await restore(team, completed(kept, info.id), in_thread=in_thread)
