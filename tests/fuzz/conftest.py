"""Has the fuzz tests run in `make soak` too, for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.lengths import IS_LONG
from tests.unit.checkpoints.memory import memory_path

__all__ = ["memory_path"]

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count these tests among the long ones where those are asked for."""
    for item in items if IS_LONG else ():
        if item.path.parent == _HERE:
            item.add_marker("soak")
            item.add_marker(pytest.mark.timeout(900))
