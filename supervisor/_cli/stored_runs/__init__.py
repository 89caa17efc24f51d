"""What the commands about the runs in a store have in common."""

from __future__ import annotations
