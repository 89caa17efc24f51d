"""What is told of one supervisor's stop, and of the process's forced end."""

from __future__ import annotations

from supervisor._reports import log_events
from supervisor._reports.log import reporter
from supervisor._reports.telemetry.failures import harmless
from supervisor._reports.telemetry.metrics import instruments
from supervisor._reports.telemetry.runs import unended


def tell_stopped(*, reason: str, cause: str, rung: str, seconds: float) -> None:
    """Tell of a stop that has ended.

    Args:
        reason: What has requested it, in words.
        cause: The same in one word.
        rung: The last rung that it has entered.
        seconds: How long it took.
    """
    reporter.event(log_events.STOPPED, reason=reason, rung=rung, seconds=seconds)
    _measure(cause, rung, seconds)


@harmless
def _measure(cause: str, rung: str, seconds: float) -> None:
    found = instruments()
    if found is not None:
        found.stopped(seconds, cause=cause, rung=rung, scope="block")


@harmless
def tell_forced() -> None:
    """Tell that the process is ended by force: count it, and end the span of each run."""
    found = instruments()
    if found is not None:
        found.count("supervisor.exits.forced", {})
    for run in unended():
        run.end("forced")


@harmless
def tell_lag(seconds: float) -> None:
    """Tell how late the loop was in calling a timer."""
    found = instruments()
    if found is not None:
        found.record("supervisor.loop.lag", max(0.0, seconds), {})
