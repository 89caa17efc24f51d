"""How a run has ended, as the last event of its stream."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import Final

from supervisor._autogen.original_error import original_error
from supervisor._core.errors import Quarantined
from supervisor._core.events import StopRequest
from supervisor._reports import run_json
from supervisor._reports.outcome import Failure, Outcome, Status, Usage
from supervisor.integrations._streams.wire import StreamEvent

_HIDDEN: Final = "The server's log has the error."

_NAMES: Final[dict[Status, str]] = {"finished": "finished", "failed": "failed"}
_STOPPED: Final = "stopped"  # the name for every other status


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run has ended, or why it was not started.

    Args:
        error: What the run has raised.
        request: The request that has stopped it.
        stop_reason: That of its result.
        retry_after: Seconds after which it is worth while to connect again.
        messages: How many messages there are.
        usage: The tokens.
        seconds: How long it took.
        shows_errors: Whether the text of an error is given.
    """

    error: BaseException | None = None
    request: StopRequest | None = None
    stop_reason: str | None = None
    retry_after: float | None = None
    messages: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    shows_errors: bool = False

    @property
    def status(self) -> Status:
        """In one word."""
        if isinstance(self.error, Quarantined):
            return "abandoned"
        if self.error is None:
            return "finished" if self.request is None else "stopped"
        return "stopped" if isinstance(self.error, asyncio.CancelledError) else "failed"

    def event(self, number: int | None = None) -> StreamEvent:
        """Return the last event of the stream.

        Args:
            number: Its number in the stream.
        """
        retry = None if self.retry_after is None else math.ceil(self.retry_after * 1000)
        return StreamEvent(
            event=_NAMES.get(self.status, _STOPPED),
            data=run_json.text(self._facts()),
            id=None if number is None else str(number),
            retry=retry,
        )

    def _facts(self) -> dict[str, object]:
        request = self.request
        return run_json.result(self._outcome()) | {
            "rung": request.rung.name if request is not None else None,
            "resumable": self.status == "stopped",
            "retry_after": self.retry_after,
        }

    def _outcome(self) -> Outcome:
        request, reason = self.request, self.stop_reason
        if reason is None and request is not None:
            reason = request.reason
        return Outcome(
            status=self.status,
            stop_reason=reason,
            signal=request.signal.name if request is not None and request.signal else None,
            messages=self.messages,
            usage=self.usage,
            seconds=self.seconds,
            error=self._failure(),
        )

    def _failure(self) -> Failure | None:
        if self.error is None or self.status == "stopped":
            return None
        found = original_error(self.error)
        return Failure(type=found.type, message=found.message if self.shows_errors else _HIDDEN)
