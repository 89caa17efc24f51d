"""The OpenTelemetry providers that the application has set; None where it has set none.

Nothing is imported to find them: who has set one has imported the API. They are asked for each
time, since a provider may be set at any time, also while a block is open. A provider of the API's
own (a proxy for a later one, or one that does nothing) counts as none, so no span or instrument is
made that nobody reads.

The API's functions read the environment where no provider is set, which takes longer than all else
that is done for a run of which nobody is told. So the variable in which they keep the provider is
looked at first; where there is no such variable, they are called.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider


# For each: the API's module, its function, and in which module's variable it keeps the provider.
_TRACERS: Final = (
    "opentelemetry.trace",
    "get_tracer_provider",
    "opentelemetry.trace",
    "_TRACER_PROVIDER",
)
_METERS: Final = (
    "opentelemetry.metrics",
    "get_meter_provider",
    "opentelemetry.metrics._internal",
    "_METER_PROVIDER",
)
_LOGGERS: Final = (
    "opentelemetry._logs",
    "get_logger_provider",
    "opentelemetry._logs._internal",
    "_LOGGER_PROVIDER",
)


def tracer_provider() -> TracerProvider | None:
    """Return the provider of tracers that was set."""
    found: TracerProvider | None = _found(*_TRACERS)
    return found


def meter_provider() -> MeterProvider | None:
    """Return the provider of meters that was set."""
    found: MeterProvider | None = _found(*_METERS)
    return found


def logger_provider() -> Any:
    """Return the provider of loggers that was set; its part of the API is no stable one yet."""
    return _found(*_LOGGERS)


def _found(module: str, getter: str, keeper: str, variable: str) -> Any:
    kept = sys.modules.get(keeper)
    if kept is None or getattr(kept, variable, kept) is None:
        return None
    # It may be in the midst of its import, in another thread.
    get = getattr(sys.modules.get(module), getter, None)
    if get is None:
        return None
    provider = get()
    return None if type(provider).__module__.startswith(module) else provider
