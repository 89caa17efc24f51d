"""What the tests of stores share."""

from __future__ import annotations

from tests.unit.checkpoints.memory import memory_path

__all__ = ["memory_path"]
