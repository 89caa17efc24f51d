"""How long a fuzz test looks: at a few examples in `make test`, at many new ones in `make soak`."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

IS_LONG: Final = bool(os.environ.get("SOAK"))


def examples(count: int, *, times: int = 50) -> settings:
    """Return the settings of a test.

    Args:
        count: How many examples it looks at in `make test`.
        times: How many times as many in `make soak`.
    """
    return settings(
        max_examples=count * times if IS_LONG else count,
        derandomize=not IS_LONG,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
