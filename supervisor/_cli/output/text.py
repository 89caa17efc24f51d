"""What a person sees: each message as a few plain lines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from supervisor._cli.output.outcome import Outcome, Output


class TextOutput(Output):
    """Writes each message to stdout.

    Args:
        is_quiet: Whether only the last message is written.
    """

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self._last: Any = None

    def begin(self, name: str, task: str | None, agents: Sequence[str] = ()) -> None:
        """Write nothing."""

    def event(self, event: object) -> None:
        """Write a message."""
        if type(event).__name__ == "ModelClientStreamingChunkEvent":
            return
        self._last = event
        if not self._is_quiet:
            _write(event)

    def end(self, outcome: Outcome) -> None:
        """Write why it has failed, if it has."""
        if self._is_quiet and self._last is not None:
            _write(self._last)
        if outcome.error is not None:
            sys.stderr.write(f"supervisor: {outcome.error.type}: {outcome.error.message}\n")


def _write(event: Any) -> None:
    sys.stdout.write(f"[{event.source}] {event.to_text()}\n")
    sys.stdout.flush()
