"""What the fuzz tests share; and they run in `make soak` too, for longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.command_lines import CommandLines, command_lines
from tests.fuzz.lengths import IS_LONG
from tests.unit.checkpoints.memory import memory_path

__all__ = ["memory_path"]

_HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def lines() -> Iterator[CommandLines]:
    """Return what runs command lines."""
    with command_lines() as found:
        yield found


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count these tests among the long ones where those are asked for."""
    for item in items if IS_LONG else ():
        if item.path.parent == _HERE:
            item.add_marker("soak")
            item.add_marker(pytest.mark.timeout(900))
