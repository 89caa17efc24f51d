"""Names for what was given none."""

from __future__ import annotations

import secrets
import time


def new_name() -> str:
    """Return a name that no run has: the time, and a word drawn at random."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
