"""What telemetry raises stops nobody: it is logged, and the run goes on without it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

from supervisor._reports import log_events
from supervisor._reports.log import reporter

P = ParamSpec("P")


def harmless(tell: Callable[P, None]) -> Callable[P, None]:
    """Have a function log what it raises: a provider and its processors are the application's."""

    @functools.wraps(tell)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            tell(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - of a span processor, or an exporter
            reporter.event(log_events.TELEMETRY_FAILED, exc_info=error)

    return told
