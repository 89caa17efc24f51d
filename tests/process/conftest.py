"""The warm server, started at the first test that needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.process.harness import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Forks children that have imported everything."""
    with Server() as started:
        yield started
