"""The errors that the supervisor raises on purpose, those of kept runs too."""

from __future__ import annotations

from supervisor._core.errors import (
    CheckpointCorrupt,
    CheckpointError,
    CheckpointTooNew,
    HandedOff,
    LeaseLost,
    Quarantined,
    RunCancelled,
    RunHeld,
    RunMismatch,
    RunNotFound,
    SettingsError,
    Stopped,
    StoreUnavailable,
    SupervisorError,
    UnknownMessage,
    UsageError,
)

__all__ = [
    "CheckpointCorrupt",
    "CheckpointError",
    "CheckpointTooNew",
    "HandedOff",
    "LeaseLost",
    "Quarantined",
    "RunCancelled",
    "RunHeld",
    "RunMismatch",
    "RunNotFound",
    "SettingsError",
    "Stopped",
    "StoreUnavailable",
    "SupervisorError",
    "UnknownMessage",
    "UsageError",
]


def __dir__() -> list[str]:
    return sorted(__all__)
