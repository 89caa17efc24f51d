"""How long a fuzz test looks: at a few examples in `make test`, at many new ones in `make soak`."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

IS_LONG: Final = bool(os.environ.get("SOAK"))
_TIMES: Final = 50


def examples(count: int) -> settings:
    """Return the settings of a test that looks at this many examples in `make test`."""
    return settings(
        max_examples=count * _TIMES if IS_LONG else count,
        derandomize=not IS_LONG,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
