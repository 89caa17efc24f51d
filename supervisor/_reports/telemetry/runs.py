"""What is told of one run: its span, its metrics, its log events.

A run has one span, the parent of AutoGen's own: it is the current span of the run's context, which
all its tasks inherit. AutoGen leaves the spans of cancelled agents and tools without a status, so
that they look successful; the run's span says how it has ended. It ends with the run, or as the run
is given up, or as the process is ended by force.

Where no provider is set, a run costs a few look-ups. A run's context also has its number and the
name of what is run as structlog's context variables, so that a log line of an agent or of a tool
tells whose it is.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from weakref import ref

from structlog.contextvars import bind_contextvars, bound_contextvars

from supervisor._reports import log_events
from supervisor._reports.log import reporter
from supervisor._reports.telemetry import metrics
from supervisor._reports.telemetry.failures import harmless
from supervisor._reports.telemetry.metrics import instruments
from supervisor._reports.telemetry.providers import meter_provider, tracer_provider

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

RunKind = Literal["team", "agent", "source", "runtime"]
RunOutcome = Literal["finished", "drained", "stopped", "failed", "quarantined", "forced"]

_OPERATIONS: Final = {"team": "invoke_agent", "agent": "invoke_agent", "source": "iterate"}
# A served runtime is no run here: its span would last as long as the program, and be the parent of
# what other processes ask of it.

_CANCELLED: Final = ("stopped", "quarantined", "forced")


@harmless
def make_instruments() -> None:
    """Make the instruments, where they were not made: some of them show what there is now."""
    instruments()


@dataclass(frozen=True, slots=True)
class StopFacts:
    """What is known of a run's stop.

    Args:
        reason: The cause in words.
        cause: The cause in one word, as `StopRequest.cause` has it.
        time: When it was requested.
        is_own: Whether this run is stopped alone.
    """

    reason: str
    cause: str
    time: datetime
    is_own: bool


class RunTelemetry:
    """One run, as it is told of.

    Args:
        kind: What is run.
        name: The name of what is run.
    """

    def __init__(self, kind: RunKind, name: str) -> None:
        self.number: int = next(_numbers)
        self.outcome: RunOutcome | None = None
        """How it has ended, once it has."""
        self.is_observed: bool = False
        """Whether a provider was set when it began; asked first, on the way of a signal."""
        self._kind: RunKind = kind
        self._names: dict[str, Any] = {"run": self.number, kind: name}
        self._span: Span | None = None
        self._began_at: float = time.monotonic()
        self._stop_began_at = 0.0
        self._rung: str | None = None

    # -- its beginning --------------------------------------------------------------------------

    def begin(self, context: Context) -> None:
        """Begin its span, and make that the current one of the run's context.

        Args:
            context: A fresh copy, in which no task was started yet.
        """
        if self._kind not in _OPERATIONS:
            return
        _runs[self.number] = ref(self)
        context.run(self._begin)

    def _begin(self) -> None:
        bind_contextvars(**self._names)
        tracers = tracer_provider()
        if tracers is not None:
            self._begin_span(tracers)
        if meter_provider() is not None:
            make_instruments()
            self.is_observed = True
        if reporter.is_logged(log_events.RUN_BEGAN):
            reporter.event(log_events.RUN_BEGAN)

    @harmless
    def _begin_span(self, provider: TracerProvider) -> None:
        from opentelemetry.context import attach
        from opentelemetry.trace import set_span_in_context

        operation, name = _OPERATIONS[self._kind], self._names[self._kind]
        attributes: dict[str, Any] = {"supervisor.run": self.number, "supervisor.kind": self._kind}
        if operation == "invoke_agent":
            attributes |= {"gen_ai.operation.name": operation, "gen_ai.agent.name": name}
        tracer = provider.get_tracer(metrics.NAME)
        span = tracer.start_span(f"{operation} {name}", attributes=attributes)
        attach(set_span_in_context(span))
        if span.is_recording():
            self._span, self.is_observed = span, True

    # -- its stop -------------------------------------------------------------------------------

    @harmless
    def enter(self, rung: str, stop: StopFacts) -> None:
        """Note that its stop enters a rung."""
        if self._rung is None:
            self._stop_began_at = time.monotonic()
            self._note_request(stop)
        if self._rung != rung and self._span is not None:
            self._span.add_event("climb", {"supervisor.rung": rung})
        self._rung = rung

    def _note_request(self, stop: StopFacts) -> None:
        if self._span is not None:
            facts = {"supervisor.stop.reason": stop.reason, "supervisor.stop.cause": stop.cause}
            at = int(stop.time.timestamp() * 1e9)
            self._span.add_event("stop requested", facts, timestamp=at)
            self._span.set_attributes(facts)

    @harmless
    def note(self, what: Literal["settled", "repaired"]) -> None:
        """Note how far a run is that was stopped."""
        if self._span is not None:
            self._span.add_event(what)

    @contextmanager
    def bound(self) -> Generator[None]:
        """Have what is logged meanwhile tell whose it is."""
        with bound_contextvars(**self._names):
            yield

    # -- its end --------------------------------------------------------------------------------

    def end(
        self,
        outcome: RunOutcome,
        error: BaseException | None = None,
        stop: StopFacts | None = None,
    ) -> None:
        """Note how it has ended, unless that was noted before.

        Args:
            outcome: How.
            error: What it has failed with.
            stop: What is known of its stop.
        """
        if self.outcome is not None or self._kind not in _OPERATIONS:
            return
        self.outcome = outcome
        if stop is not None and self._rung is None:
            self._note_request(stop)
        seconds = time.monotonic() - self._began_at
        if self._span is not None:
            self._end_span(self._span, outcome, error)
        self._measure(outcome, seconds, stop)
        if reporter.is_logged(log_events.RUN_ENDED):
            with self.bound():
                reporter.event(log_events.RUN_ENDED, outcome=outcome, seconds=seconds)

    def forget(self) -> None:
        """Note that nothing of it is at work any more, which may be later than its end."""
        _runs.pop(self.number, None)

    @harmless
    def _end_span(self, span: Span, outcome: RunOutcome, error: BaseException | None) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span = None
        span.set_attribute("supervisor.outcome", outcome)
        if outcome in _CANCELLED:
            span.set_attribute("error.type", "cancelled")
            span.set_status(Status(StatusCode.ERROR, outcome))
        elif error is not None:
            span.set_attribute("error.type", _name_of(error))
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        span.end()

    @harmless
    def _measure(self, outcome: RunOutcome, seconds: float, stop: StopFacts | None) -> None:
        found = instruments()
        if found is None:
            return
        kind = {"supervisor.outcome": outcome, "supervisor.kind": self._kind}
        found.count("supervisor.runs", kind)
        found.record("supervisor.run.duration", seconds, kind)
        if self._rung is not None and stop is not None and stop.is_own:
            took = time.monotonic() - self._stop_began_at
            found.stopped(took, cause=stop.cause, rung=self._rung, scope="run")


_numbers: Final = itertools.count(1)
_runs: Final[dict[int, ref[RunTelemetry]]] = {}
# By number, those that have begun, and of which something may be at work. Weak: of some that are
# dropped with their loop nobody ever tells the end.
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_runs.clear)


def unended() -> list[RunTelemetry]:
    """Return the runs that have not ended, and those that were given up; in any thread."""
    found = [(number, held()) for number, held in list(_runs.items())]
    for number, run in found:
        if run is None:
            _runs.pop(number, None)
    return [run for _, run in found if run is not None]


def _name_of(error: BaseException) -> str:
    cls = type(error)
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )


metrics.sources["supervisor.runs.active"] = lambda: sum(run.outcome is None for run in unended())
metrics.sources["supervisor.runs.quarantined"] = lambda: sum(
    run.outcome == "quarantined" for run in unended()
)
