"""What is known of one run, in one place: how far it is, and what it has come to."""

from __future__ import annotations

import asyncio
import enum
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from supervisor._core.events import StopRequest
from supervisor._reports.telemetry.runs import RunTelemetry

R = TypeVar("R")


class Phase(enum.Enum):
    """What a run is doing."""

    CREATED = "not started"
    """It was not awaited or iterated yet."""

    ACTIVE = "at work"
    """Its agents are at work."""

    STOPPING = "stopping"
    """It was told to stop, and something of it is still at work."""

    DONE = "done"
    """It has ended, in whatever way."""


class Conclusion(Protocol):
    """What a run still waits for when nothing of it is at work any more."""

    def cancel(self) -> object:
        """End it soon, even if what was run stays inconsistent."""
        ...


@dataclass(eq=False)
class RunState(Generic[R]):
    """The state of one run."""

    phase: Phase = Phase.CREATED
    request: StopRequest | None = None
    """The request to stop; None before one came."""
    loop: asyncio.AbstractEventLoop | None = None
    """The loop in which it has started."""
    conclusion: Conclusion | None = None
    """What the run waits for once nothing of it is at work."""
    natural: R | None = None
    """The result that it came to by itself."""
    result: R | None = None
    """What it has come to, once it is done."""
    telemetry: RunTelemetry = field(init=False)
    """What is told of it; set when it begins."""
    is_observed: bool = False
    """Whether somebody is told of its stop while that goes on."""
    error: BaseException | None = None
    """What awaiting it raises."""
    cleanup_error: BaseException | None = None
    """What the clean-up raised after a stop; it is logged, and not raised to readers."""
    is_draining: bool = False
    is_given_up: bool = False
    """Something of it refused to end, and is still at work."""
    is_stopped_alone: bool = False
    """What stopped it first is no stop of its supervisor."""
    is_stop_called: bool = False
    """`stop()` was called, perhaps in another thread, before the loop carries it out."""
    was_cancelled: bool = False
    """The caller was cancelled: waiting for the run raises a `CancelledError`."""

    def bound(self) -> AbstractContextManager[None]:
        """Have what is logged meanwhile tell whose it is."""
        return self.telemetry.bound()

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for any more: it is done, or was given up."""
        return self.phase is Phase.DONE or self.is_given_up

    @property
    def is_settling(self) -> bool:
        """Whether it was told to stop, and something of it is still at work."""
        return self.phase is Phase.STOPPING and self.conclusion is None

    @property
    def reason(self) -> str | None:
        """Why it has ended, in words; None where it has ended by itself."""
        if self.error is not None and not self.is_given_up:
            return f"Failed with {type(self.error).__name__}"
        return self.request.reason if self.request is not None else None
