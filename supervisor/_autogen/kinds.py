"""What the tasks of AutoGen's runs do, besides what those of any run do."""

from __future__ import annotations

from typing import Final

from supervisor._core.tasks import Kind

HANDLER: Final = Kind("handles a message", is_at_work=True, is_observed=True)
SELECTION: Final = Kind("selects the next speaker", is_at_work=True, is_started=True)
CALL: Final = Kind(
    "calls a tool", is_at_work=True, is_started=True, is_observed=True, is_gated=True
)
PROCESS: Final = Kind("starts a process", is_at_work=True, is_started=True)
ENGINE: Final = Kind("passes messages on", is_placed=True)
