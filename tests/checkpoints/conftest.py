"""What the process tests of kept runs share."""

from __future__ import annotations

from tests.checkpoints.postgres_server import postgres_server, postgres_url, schema_url
from tests.process.conftest import _leaves_no_process, server

__all__ = ["_leaves_no_process", "postgres_server", "postgres_url", "schema_url", "server"]
