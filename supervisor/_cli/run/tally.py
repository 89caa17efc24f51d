"""What is known of a run while it goes on, and so how it has ended whenever it ends."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

from supervisor._autogen.original_error import original_error
from supervisor._cli.errors import CommandError
from supervisor._cli.output.outcome import TargetFailure
from supervisor._cli.run.keeping import RunRefused
from supervisor._core.events import Rung
from supervisor._reports.outcome import Failure, Outcome, Status, Usage
from supervisor._reports.run_json import CHUNK, kind_of, usage_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervisor._cli.run.keeping import Keeping
    from supervisor._cli.run.time_limit import TimeLimit
    from supervisor._core.events import StopRequest
    from supervisor._supervisor.facade import Supervisor


class Tally:
    """Counts the messages of a run, and says how it has ended.

    Args:
        sup: The supervisor of the run.
        time_limit: Its time limit.
        keeping: How it is kept.
    """

    def __init__(self, sup: Supervisor, time_limit: TimeLimit, keeping: Keeping) -> None:
        self._sup = sup
        self._time_limit = time_limit
        self._keeping = keeping
        self._began_at = time.monotonic()
        self._seen: set[str] = set()
        self._messages = 0
        self._usage = Usage()
        self._stop_reason: str | None = None
        self._is_stopped = False  # or this run alone, from elsewhere
        self._has_natural_end = False
        self.error: BaseException | None = None
        """What the target or the run has raised."""

    def count(self, event: object) -> None:
        """Count an event of the run, if it is a message."""
        if kind_of(event) == CHUNK:
            return
        self._messages += 1
        self._seen.add(getattr(event, "id", ""))
        self._usage += usage_of(event)

    def unseen(self, messages: Sequence[Any], earlier: Sequence[Any] = ()) -> list[object]:
        """Return the messages of a result that were not shown: a stop yields no more.

        Args:
            messages: Those of the result.
            earlier: Those of earlier processes, which have shown them.
        """
        shown = self._seen.union(message.id for message in earlier)
        return [message for message in messages if message.id not in shown]

    def conclude(self, stop_reason: str | None, request: StopRequest | None) -> None:
        """Note the reason that the result gives, and what has stopped the run, if anything has."""
        self._stop_reason = stop_reason
        self._is_stopped = request is not None
        self._has_natural_end = request is None or stop_reason != request.reason  # as it drained

    @property
    def status(self) -> Status:
        """How the run has ended, if it has."""
        request = self._sup.stop_request
        is_by_signal = request is not None and request.signal is not None
        if is_by_signal or self._time_limit.has_stopped:
            if self._sup.rung >= Rung.ABANDON:
                return "abandoned"
            return "stopped" if is_by_signal else "timed_out"
        if self.error is not None:
            return "failed"
        return "stopped" if request is not None or self._is_stopped else "finished"

    def stopped_early(self, number: signal.Signals) -> Outcome:
        """Return that a signal has come before the run could begin."""
        seconds = time.monotonic() - self._began_at
        reason = f"Stopped by {number.name}"
        return Outcome(status="stopped", stop_reason=reason, signal=number.name, seconds=seconds)

    def outcome(self, status: Status | None = None) -> Outcome:
        """Return how the run has ended; with another status, if one is given."""
        request = self._sup.stop_request
        reason = self._stop_reason
        if reason is None and request is not None:
            reason = request.reason
        return Outcome(
            status=status or self.status,
            stop_reason=reason,
            signal=request.signal.name if request is not None and request.signal else None,
            messages=self._messages,
            usage=self._usage,
            seconds=time.monotonic() - self._began_at,
            resume=self._resume_line,
            error=_failure(self.error),
        )

    @property
    def _resume_line(self) -> str | None:
        is_cancelled = self._is_stopped and self._sup.stop_request is None
        if self._has_natural_end or is_cancelled:
            return None
        return self._keeping.resume_line(self.error)


def _failure(error: BaseException | None) -> Failure | None:
    if error is None:
        return None
    if isinstance(error, RunRefused):
        return TargetFailure(type=error.type_name, message=str(error))
    if isinstance(error, CommandError):
        return TargetFailure(message=str(error))
    found = original_error(error)
    return Failure(type=found.type, message=found.message)
