"""What the tests of served runtimes share."""

from __future__ import annotations

import gc
import importlib.util
from collections.abc import Iterator

import pytest

_HAS_GRPC = importlib.util.find_spec("grpc") is not None


@pytest.fixture(autouse=True)
def _grpc() -> Iterator[None]:
    """Skips where gRPC is missing; has its thread ended, which lives as long as its objects."""
    if not _HAS_GRPC:
        pytest.skip("grpc is not installed; pip install 'autogen-supervisor[grpc]'")
    yield
    gc.collect()
