"""The metrics: a table of them, and their instruments, made for the provider that was set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from supervisor._reports.telemetry.providers import meter_provider

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

Scope = Literal["block", "run"]

NAME: Final = "supervisor"
"""The name of the tracer and of the meter."""

COUNTERS: Final[Mapping[str, tuple[str, str]]] = {
    "supervisor.runs": ("{run}", "Runs that have ended, by their outcome"),
    "supervisor.stops": ("{stop}", "Stops that have ended, by what has requested them"),
    "supervisor.exits.forced": ("{exit}", "Processes that were ended by force, with status 137"),
}
"""The unit of each counter, and what it counts."""

HISTOGRAMS: Final[Mapping[str, tuple[str, Sequence[float]]]] = {
    "supervisor.run.duration": (
        "How long runs take, by their outcome",
        (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600),
    ),
    "supervisor.stop.duration": (
        "How long stops take, by the last rung that they have entered",
        (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60),
    ),
    "supervisor.loop.lag": (
        "How late the event loop of the main thread calls a timer",
        (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    ),
}
"""What each histogram measures, in seconds, and its buckets: OpenTelemetry's are for ms."""

GAUGES: Final[Mapping[str, tuple[str, str]]] = {
    "supervisor.runs.active": ("{run}", "Runs that have begun and not ended"),
    "supervisor.runs.quarantined": ("{run}", "Runs that refused to end, and are still at work"),
    "supervisor.orphan_threads": ("{thread}", "Threads whose result nobody waits for any more"),
}
"""The unit of each gauge, and what it shows."""

sources: Final[dict[str, Callable[[], int]]] = {}
"""What returns the value of each gauge, in any thread; from whoever knows it."""


class Instruments:
    """The instruments of one provider."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter(NAME)
        self._counters = {
            name: meter.create_counter(name, unit, what) for name, (unit, what) in COUNTERS.items()
        }
        self._histograms = {
            name: meter.create_histogram(
                name, "s", what, explicit_bucket_boundaries_advisory=buckets
            )
            for name, (what, buckets) in HISTOGRAMS.items()
        }
        for name, (unit, what) in GAUGES.items():
            meter.create_observable_gauge(name, [_observer(name)], unit, what)

    def count(self, name: str, attributes: Mapping[str, Any]) -> None:
        """Add one to a counter."""
        self._counters[name].add(1, attributes)

    def record(self, name: str, seconds: float, attributes: Mapping[str, Any]) -> None:
        """Add a value to a histogram."""
        self._histograms[name].record(seconds, attributes)

    def stopped(self, seconds: float, *, cause: str, rung: str, scope: Scope) -> None:
        """Count a stop that has ended, and record how long it took.

        Args:
            seconds: How long.
            cause: What has requested it, in one word.
            rung: The last rung that it has entered.
            scope: Whether it was a whole block's, or one run's alone.
        """
        whose = {"supervisor.stop.scope": scope}
        self.count("supervisor.stops", {"supervisor.stop.cause": cause, **whose})
        self.record("supervisor.stop.duration", seconds, {"supervisor.rung": rung, **whose})


def _observer(name: str) -> Callable[[Any], Any]:
    from opentelemetry.metrics import Observation

    def observe(_options: object) -> list[Observation]:
        return [Observation(sources[name]())] if name in sources else []

    return observe


_made: list[tuple[MeterProvider, Instruments]] = []


def instruments() -> Instruments | None:
    """Return the instruments of the provider that is set now; None where none is."""
    provider = meter_provider()
    if provider is None:
        return None
    if not _made or _made[0][0] is not provider:
        _made[:] = [(provider, Instruments(provider))]
    return _made[0][1]
