"""A module that takes a second to import, as AutoGen does."""

from __future__ import annotations

import time

for _ in range(20):
    time.sleep(0.05)
