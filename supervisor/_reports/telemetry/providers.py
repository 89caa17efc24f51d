"""The OpenTelemetry providers that the application has set; None where it has set none.

Nothing is imported to find them: who has set one has imported the API. They are asked for each
time, since a provider may be set at any time, also while a block is open. A provider of the API's
own (a proxy for a later one, or one that does nothing) counts as none, so no span or instrument is
made that nobody reads.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider


def tracer_provider() -> TracerProvider | None:
    """Return the provider of tracers that was set."""
    found: TracerProvider | None = _found("opentelemetry.trace", "get_tracer_provider")
    return found


def meter_provider() -> MeterProvider | None:
    """Return the provider of meters that was set."""
    found: MeterProvider | None = _found("opentelemetry.metrics", "get_meter_provider")
    return found


def logger_provider() -> Any:
    """Return the provider of loggers that was set; its part of the API is no stable one yet."""
    return _found("opentelemetry._logs", "get_logger_provider")


def _found(module: str, getter: str) -> Any:
    # It may be in the midst of its import, in another thread.
    get = getattr(sys.modules.get(module), getter, None)
    if get is None:
        return None
    provider = get()
    return None if type(provider).__module__.startswith(module) else provider
