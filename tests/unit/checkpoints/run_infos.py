"""What a store tells of a run, for tests that have no store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from supervisor._checkpoints.store import RunInfo, RunStatus

_RUNNING: Final = RunInfo(
    id="r",
    status=RunStatus.RUNNING,
    team="team",
    turn=0,
    attempts=1,
    failures=0,
    owner="me",
    held_until=None,
    is_cancel_requested=False,
    stop_reason=None,
    error=None,
    created=0.0,
    updated=0.0,
)


def run_info(**changes: Any) -> RunInfo:
    """Return a run that is at work, but for these fields."""
    return replace(_RUNNING, **changes)


def stopped_info(**changes: Any) -> RunInfo:
    """Return a run that is at rest, but for these fields."""
    return run_info(status=RunStatus.STOPPED, owner=None, **changes)
