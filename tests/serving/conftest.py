"""Fixtures of the tests of served runtimes."""

from __future__ import annotations

import gc
import importlib.util
from collections.abc import Iterator

import pytest

_HAS_GRPC = importlib.util.find_spec("grpc") is not None


@pytest.fixture(autouse=True)
def _grpc() -> Iterator[None]:
    """Skip where gRPC is missing; end its thread, which lives as long as its objects."""
    if not _HAS_GRPC:
        pytest.skip("grpc is not installed; pip install 'autogen-supervisor[grpc]'")
    yield
    gc.collect()
