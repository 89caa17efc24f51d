"""What stops one thing: words, rules, tasks, runs. Knows asyncio, and nothing outside the loop."""

from __future__ import annotations
