"""The errors that the supervisor raises on purpose; each can be imported from `supervisor`, too."""

from __future__ import annotations

from supervisor._core.errors import (
    HandedOff,
    Quarantined,
    SettingsError,
    Stopped,
    SupervisorError,
    UsageError,
)

__all__ = ["HandedOff", "Quarantined", "SettingsError", "Stopped", "SupervisorError", "UsageError"]


def __dir__() -> list[str]:
    return sorted(__all__)
