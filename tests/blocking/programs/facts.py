"""The facts that programs report to their tests, on a separate fd: stdout has prompts on it."""

from __future__ import annotations

import json
import os
import time
from typing import Final

FD: Final = "TELLS_ON_FD"
"""The environment variable that names the fd."""


def tell(fact: str, **more: object) -> None:
    """Report a fact, and its time."""
    line = json.dumps({"fact": fact, "at": time.monotonic()} | more)
    os.write(int(os.environ[FD]), f"{line}\n".encode())
