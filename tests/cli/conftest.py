"""The warm server of the process tests, for command lines and programs at a pseudo-terminal."""

from __future__ import annotations

from tests.process.conftest import _leaves_no_process, server

__all__ = ["_leaves_no_process", "server"]
