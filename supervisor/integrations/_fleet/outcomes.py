"""What has become of a run when one worker is done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from supervisor._checkpoints.store import RunStatus


@dataclass(frozen=True, slots=True)
class Done:
    """The run wants no owner any more.

    Args:
        status: COMPLETED, CANCELLED, or at rest: STOPPED or FAILED. None: it is not there.
    """

    status: RunStatus | None


@dataclass(frozen=True, slots=True)
class HandedOver:
    """This process stops. The run is queued: have your queue tell another worker, at once."""


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody else has the run. Drop the hint, or look again once the lease could be over.

    So it is with a run that a newer version has written: a worker of that version goes on with it.

    Args:
        retry_after: In how many seconds.
    """

    retry_after: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The run has met an error.

    Args:
        error: The error.
        failures: How often that has happened, since the run was submitted or requeued.
        is_at_rest: Whether the run is FAILED now: it waits for a person. Else it is queued, and
            your queue has a worker try again after a while.
    """

    error: Exception
    failures: int
    is_at_rest: bool


Outcome: TypeAlias = Done | HandedOver | Held | Failed
"""What became of a run that a worker was to carry on."""
