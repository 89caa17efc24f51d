"""Which OpenTelemetry providers count as set."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider

from supervisor._reports.telemetry.providers import (
    logger_provider,
    meter_provider,
    tracer_provider,
)

TRACERS = "opentelemetry.trace", "_TRACER_PROVIDER", tracer_provider
METERS = "opentelemetry.metrics._internal", "_METER_PROVIDER", meter_provider
LOGGERS = "opentelemetry._logs._internal", "_LOGGER_PROVIDER", logger_provider
ALL = [TRACERS, METERS, LOGGERS]

Find = Callable[[], Any]


@pytest.mark.parametrize(("module", "variable", "find"), ALL)
def test_where_none_is_set_there_is_none(
    monkeypatch: pytest.MonkeyPatch, module: str, variable: str, find: Find
) -> None:
    """The API's own proxies count as no provider, and so does an API that nobody has imported."""
    monkeypatch.setattr(f"{module}.{variable}", None)
    assert find() is None
    monkeypatch.delattr(f"{module}.{variable}")  # of another version of the API
    monkeypatch.setitem(sys.modules, module, None)
    assert find() is None


@pytest.mark.parametrize(("module", "variable", "find"), ALL)
def test_while_the_api_is_being_imported_there_is_none(
    monkeypatch: pytest.MonkeyPatch, module: str, variable: str, find: Find
) -> None:
    """Another thread may be in the midst of its import: its functions are not there yet."""
    api = module.removesuffix("._internal")
    monkeypatch.setattr(f"{module}.{variable}", object())
    monkeypatch.setitem(sys.modules, api, ModuleType(api))
    assert find() is None


@pytest.mark.parametrize(
    ("where", "provider"),
    [
        (TRACERS, NoOpTracerProvider()),
        (METERS, NoOpMeterProvider()),
        (LOGGERS, NoOpLoggerProvider()),
    ],
)
def test_one_that_does_nothing_is_none(
    monkeypatch: pytest.MonkeyPatch, where: tuple[str, str, Find], provider: object
) -> None:
    """A provider of the API's own that does nothing counts as none."""
    module, variable, find = where
    monkeypatch.setattr(f"{module}.{variable}", provider)
    assert find() is None


@pytest.mark.parametrize(
    ("where", "make"),
    [
        (TRACERS, lambda: TracerProvider(shutdown_on_exit=False)),
        (METERS, lambda: MeterProvider(shutdown_on_exit=False)),
    ],
)
def test_one_that_was_set_is_found(
    monkeypatch: pytest.MonkeyPatch, where: tuple[str, str, Find], make: Callable[[], object]
) -> None:
    """A provider is found from the moment at which it is set."""
    module, variable, find = where
    provider = make()
    monkeypatch.setattr(f"{module}.{variable}", provider)
    assert find() is provider
