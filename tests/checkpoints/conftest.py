"""What the process tests of kept runs share."""

from __future__ import annotations

from tests.checkpoints.postgres_server import postgres_server, postgres_url, schema_url
from tests.process.conftest import _leaves_no_process, server
from tests.unit.checkpoints.memory import memory_path

__all__ = [
    "_leaves_no_process",
    "memory_path",
    "postgres_server",
    "postgres_url",
    "schema_url",
    "server",
]
