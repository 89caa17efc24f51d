"""What `supervisor.integrations.streams` consists of."""

from __future__ import annotations
