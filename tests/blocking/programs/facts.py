"""What the programs tell their tests, on an fd of its own: stdout has prompts on it."""

from __future__ import annotations

import json
import os
import time
from typing import Final

FD: Final = "TELLS_ON_FD"
"""The environment variable that names the fd."""


def tell(fact: str, **more: object) -> None:
    """Tell a fact, and when it was so."""
    line = json.dumps({"fact": fact, "at": time.monotonic()} | more)
    os.write(int(os.environ[FD]), f"{line}\n".encode())
