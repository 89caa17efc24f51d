"""Shells as child processes: some obey SIGTERM, some refuse."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Shell = subprocess.Popen[str]
Start = Callable[..., Shell]

SECONDS = 0.6
"""To end in; half of them before the kill."""

SLACK = 1.0
"""What a busy machine may add."""

OBEYS = "echo ready; exec sleep 300"
REFUSES = "trap '' TERM; echo ready; exec sleep 301"
